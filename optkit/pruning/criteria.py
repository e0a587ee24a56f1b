"""How much each unit counts: the least of it goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import LINEAR, operation, out_axes, tensor_at
from optkit.pruning.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import torch

Batches = Iterable[Sequence["torch.Tensor"]]


def magnitude(structure: Structure) -> np.ndarray:
    """The norm of all weights that go with a unit, after Li et al., https://arxiv.org/abs/1608.08710.

    Each weight counts as if BatchNorm were folded into it, and relative to the mean of its own
    tensor: so layers can be ranked together, and a network counts the same before and after
    folding. Shape (units,), float64, at least 0.
    """
    import numpy as np

    found, seen = np.zeros(structure.count), np.zeros(structure.count)
    for name, scale in _scaled(structure):
        weight = structure.weights[name]
        values = tensor_at(structure.network, name).detach().double()
        if scale is not None:
            axis, factor = scale
            values = values * factor.reshape([
                -1 if at == axis else 1 for at in range(values.dim())
            ])
        squares = values.square().numpy()
        for at, units in enumerate(weight.units):
            if units is None:
                continue
            sums = squares.sum(axis=tuple(other for other in range(squares.ndim) if other != at))
            _add(found, seen, units, np.sqrt(sums))
    return found / np.maximum(seen, 1)


def batchnorm_scale(structure: Structure) -> np.ndarray:
    """|γ| of the BatchNorm that a unit goes through, after https://arxiv.org/abs/1708.06519.

    Infinite for a unit that goes through none. Shape (units,), float64.
    """
    import numpy as np

    found, seen = np.zeros(structure.count), np.zeros(structure.count)
    for node in structure.network.graph.nodes:
        if operation(node) != "batch_norm" or not _is_weight(structure, node.args[1]):
            continue
        units = structure.weights[_lead(structure, node.args[1].target)].units[0]
        gamma = tensor_at(structure.network, node.args[1].target).detach().abs().double().numpy()
        if units is not None:
            _add(found, seen, units, gamma, relative=False)
    return np.where(seen > 0, found / np.maximum(seen, 1), np.inf)


def taylor(
    structure: Structure,
    batches: Batches,
    loss: Callable[[Any, int], torch.Tensor],
) -> np.ndarray:
    """What the loss would change if a unit went, squared: Σ (Σ w·∂L/∂w)².

    The outer sum is over batches, the inner over all weights that go with the unit; after Molchanov
    et al., https://arxiv.org/abs/1906.10771. Shape (units,), float64.

    Args:
        structure: of the network.
        batches: inputs, in the network's order.
        loss: from the network's output and the batch's number to a scalar.
    """
    import numpy as np
    import torch

    network = structure.network
    tensors = {name: tensor_at(network, name) for name in structure.weights}
    trained = {
        name: tensor
        for name, tensor in tensors.items()
        if any(units is not None for units in structure.weights[name].units)
        and not name.endswith(("running_mean", "running_var"))
    }
    before = {name: tensor.requires_grad for name, tensor in trained.items()}
    found = np.zeros(structure.count)
    try:
        for tensor in trained.values():
            tensor.requires_grad_(requires_grad=True)
        for number, batch in enumerate(batches):
            with torch.enable_grad():
                value = loss(network(*batch), number)
            grads = torch.autograd.grad(value, list(trained.values()), allow_unused=True)
            once = np.zeros(structure.count)
            for (name, tensor), grad in zip(trained.items(), grads, strict=True):
                if grad is None:
                    continue
                product = (tensor.detach() * grad).double().numpy()
                for at, units in enumerate(structure.weights[name].units):
                    if units is not None:
                        over = tuple(other for other in range(product.ndim) if other != at)
                        inside = units >= 0
                        np.add.at(once, units[inside], product.sum(axis=over)[inside])
            found += once**2
    finally:
        for name, tensor in trained.items():
            tensor.requires_grad_(before[name])
    return found


def _add(
    found: np.ndarray, seen: np.ndarray, units: np.ndarray, values: np.ndarray,
    *, relative: bool = True,
) -> None:  # fmt: skip
    """Average values over the indices of each unit, relative to their own mean."""
    import numpy as np

    inside = units >= 0
    mean = values[inside].mean() if relative else 1.0
    if not inside.any() or mean == 0:
        return
    np.add.at(found, units[inside], values[inside] / mean)
    np.add.at(seen, units[inside], 1)


def _scaled(structure: Structure) -> list[tuple[str, tuple[int, torch.Tensor] | None]]:
    """The weights of linear operations, with the factor that a BatchNorm behind puts on them."""
    made: dict[str, tuple[int, torch.Tensor] | None] = {}
    outs = out_axes(structure.network)
    for node in structure.network.graph.nodes:
        for given in node.args[1:3]:
            if operation(node) in LINEAR and _is_weight(structure, given) and given.target in outs:
                lead = _lead(structure, given.target)
                made[lead] = _factor(structure, node, outs[given.target])
    return list(made.items())


def _factor(structure: Structure, node: Any, out: int) -> tuple[int, torch.Tensor] | None:
    users = [user for user in node.users if operation(user) == "batch_norm"]
    if len(node.users) != 1 or not users or users[0].args[0] is not node:
        return None
    gamma, variance = users[0].args[1], users[0].args[4]
    if gamma is None or gamma.op != "get_attr" or variance.op != "get_attr":
        return None
    spread = tensor_at(structure.network, variance.target).detach().double() + users[0].args[7]
    return out, tensor_at(structure.network, gamma.target).detach().double() / spread.sqrt()


def _is_weight(structure: Structure, node: Any) -> bool:
    return getattr(node, "op", "") == "get_attr" and structure.flow.is_tensor(node)


def _lead(structure: Structure, name: str) -> str:
    """The first name of a tensor."""
    if name in structure.weights:
        return name
    return next(lead for lead, item in structure.weights.items() if name in item.names)
