"""Zeros in weights: smaller once compressed, no quicker to compute."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import is_transposed, layer_of, operation, tensor_at

if TYPE_CHECKING:
    import torch

_LAYERS = {"linear", "addmm", "conv1d", "conv2d", "conv3d", "convolution", "_convolution"}


def masked(
    network: torch.fx.GraphModule, *, ratio: float | None, whole: Collection[str] = ()
) -> tuple[torch.fx.GraphModule, dict[str, float]]:
    """A copy in which the smallest weights of each layer are 0.

    Args:
        network: a flat graph.
        ratio: the share of each layer's weights; None for 2:4, two of any four in a row along the
            axis that is summed over.
        whole: layers that stay as they are.

    Returns:
        The copy, and by layer's weight the share of zeros; a layer whose rows do not divide by
        four is left out of 2:4.
    """
    import torch

    made = copy.deepcopy(network)
    shares: dict[str, float] = {}
    for node in made.graph.nodes:
        weight = _weight(node)
        if weight is None or weight.target in shares:
            continue
        if layer_of(weight.target) in whole:
            continue
        tensor = tensor_at(made, weight.target)
        if tensor.dim() < 2 or not tensor.is_floating_point():
            continue
        across = operation(node) == "addmm" or is_transposed(node)
        with torch.no_grad():
            mask = _two_of_four(tensor, across) if ratio is None else _smallest(tensor, ratio)
            if mask is not None:
                tensor.masked_fill_(mask, 0.0)
                shares[weight.target] = float(mask.float().mean())
    return made, shares


def _weight(node: Any) -> Any:
    if operation(node) not in _LAYERS:
        return None
    found = node.args[2 if operation(node) == "addmm" else 1]
    return found if found.op == "get_attr" else None


def _smallest(tensor: torch.Tensor, ratio: float) -> torch.Tensor:
    import torch

    order = tensor.abs().reshape(-1).argsort(stable=True)
    mask = torch.zeros(tensor.numel(), dtype=torch.bool)
    mask[order[: int(tensor.numel() * ratio)]] = True
    return mask.reshape(tensor.shape)


def _two_of_four(tensor: torch.Tensor, across: bool) -> torch.Tensor | None:
    import torch

    rows = tensor.transpose(0, 1) if across else tensor
    flat = rows.reshape(rows.shape[0], -1)
    if flat.shape[1] % 4:
        return None
    order = flat.abs().reshape(-1, 4).argsort(dim=1, stable=True)
    mask = torch.zeros(order.shape, dtype=torch.bool).scatter_(1, order[:, :2], value=True)
    shaped = mask.reshape(rows.shape)
    return shaped.transpose(0, 1) if across else shaped
