"""What two networks compute on the way, compared although one has fewer channels."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import operation

if TYPE_CHECKING:
    import torch

_ANCHORS = {
    "conv1d": "conv", "conv2d": "conv", "conv3d": "conv", "convolution": "conv",
    "_convolution": "conv", "conv_transpose2d": "conv", "linear": "linear", "addmm": "linear",
}  # fmt: skip
_MOST = 6
_PLACES = 4


def anchors(one: torch.fx.GraphModule, other: torch.fx.GraphModule) -> list[tuple[Any, Any]]:
    """Layers that correspond in two graphs of one network, up to six, evenly spread.

    Empty where their layers are not of the same kinds in the same order. The last layer is left
    out: its outputs are compared by themselves.
    """
    first, second = (
        [node for node in graph.graph.nodes if operation(node) in _ANCHORS]
        for graph in (one, other)
    )
    kinds = [[_ANCHORS[operation(node)] for node in side] for side in (first, second)]
    if kinds[0] != kinds[1]:
        return []
    pairs = list(zip(first, second, strict=True))[:-1]
    step = max(1, -(-len(pairs) // _MOST))
    return pairs[::-1][::step][::-1]


def tapped(graph: torch.fx.GraphModule, nodes: list[Any]) -> torch.fx.GraphModule:
    """A graph on the same tensors that gives (outputs, values of the nodes)."""
    import torch

    names = [node.name for node in nodes]
    made = torch.fx.GraphModule(graph, copy.deepcopy(graph.graph))
    found = {node.name: node for node in made.graph.nodes}
    (end,) = (node for node in made.graph.nodes if node.op == "output")
    end.args = ((end.args[0], tuple(found[name] for name in names)),)
    made.recompile()
    return made


def pooled(value: torch.Tensor) -> torch.Tensor:
    """A map (N, C, H, W) averaged to 4 x 4 places where it is larger: they tell samples apart."""
    import torch

    if value.dim() != 4 or max(value.shape[2:]) <= _PLACES:
        return value
    places = [min(size, _PLACES) for size in value.shape[2:]]
    return torch.nn.functional.adaptive_avg_pool2d(value, places)


def distance(one: torch.Tensor, other: torch.Tensor, *, alike: bool) -> torch.Tensor:
    """How unlike two values of one batch are, 0 for alike.

    Values of one shape by their relative squared error. Others by which samples they find alike:
    the cosines between samples, after Tung and Mori, arXiv 1907.09682.

    Args:
        one: of the pruned network, (N, ...).
        other: of the original; `pooled` where the shapes differ.
        alike: whether they have one shape.
    """
    if alike:
        spread = (other - other.mean(0, keepdim=True)).square().mean()
        return (one - other).square().mean() / (spread + 1e-8)
    return (_cosines(pooled(one)) - _cosines(other)).square().mean()


def _cosines(value: torch.Tensor) -> torch.Tensor:
    """Between samples, (N, N): from their products, so that nothing large is written."""
    flat = value.flatten(1)
    products = flat @ flat.t()
    sizes = products.diagonal().clamp_min(1e-24).sqrt()
    return products / (sizes[:, None] * sizes)
