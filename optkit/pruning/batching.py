"""A network of a fixed batch made to take any, so that it can be trained on several samples."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from optkit.pruning.graph import operation, record
from optkit.pruning.network import Network

if TYPE_CHECKING:
    import torch

_WRITTEN = {"view", "reshape", "_unsafe_view", "expand"}
_TOLERANCE = 1e-3


def batched(
    network: Network, one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]
) -> Network | None:
    """The network with its first axis free; None where that changes what it computes.

    A size of the first axis that is written out in a reshape is read from the input instead.
    Whether that is right is tried: several samples at once must give what they give one by one.

    Args:
        network: to be freed, itself untouched.
        one: an input.
        other: another one of the same size.
    """
    import torch

    sizes = {tensor.shape[0] if tensor.dim() else 0 for tensor in one}
    if len(sizes) != 1 or 0 in sizes:
        return None
    (size,) = sizes
    freed = replace(network, graph=_freed(network, one, size))
    try:
        with torch.no_grad():
            alone = [network.graph(*one), network.graph(*other)]
            both = freed.graph(*(torch.cat([a, b, a]) for a, b in zip(one, other, strict=True)))
            again = freed.graph(*one)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None
    wanted = [torch.cat([a, b, a]) for a, b in zip(*alone, strict=True) if a.dim()]
    if len(wanted) != len(both):
        return None
    pairs = [*zip(wanted, both, strict=True), *zip(alone[0], again, strict=True)]
    return freed if all(_close(want, got) for want, got in pairs) else None


def _close(want: torch.Tensor, got: torch.Tensor) -> bool:
    import torch

    if want.shape != got.shape:
        return False
    scale = float(want.double().abs().max()) if want.numel() else 0.0
    return bool(torch.allclose(want.double(), got.double(), 0.0, _TOLERANCE * scale + 1e-6))


def _freed(network: Network, inputs: Sequence[torch.Tensor], size: int) -> torch.fx.GraphModule:
    import torch

    shapes = list(record(network.graph, inputs).values())
    graph = copy.deepcopy(network.graph)
    holders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    with graph.graph.inserting_after(holders[-1]):
        batch = graph.graph.call_function(torch.ops.aten.sym_size.int, (holders[0], 0))
    known = dict(
        zip((node for node in graph.graph.nodes if node is not batch), shapes, strict=True)
    )
    moved = {batch}
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            moved.add(node)
        if node.op != "call_function" or node is batch or moved.isdisjoint(node.all_input_nodes):
            if operation(node) == "expand" and _leads(node, known, size):  # a token per sample
                _rewrite(node, batch, size)
                moved.add(node)
            continue
        moved.add(node)
        if operation(node) in _WRITTEN and _leads(node, known, size):
            _rewrite(node, batch, size)
    graph.recompile()
    return graph


def _leads(node: object, known: dict[object, object], size: int) -> bool:
    shape = known.get(node)
    return isinstance(shape, tuple) and bool(shape) and shape[0] % size == 0


def _rewrite(node: object, batch: object, size: int) -> None:
    """The first written size in terms of the batch: the batch itself, or a multiple of it."""
    import operator

    written = list(node.args[1])  # type: ignore[attr-defined]
    lead = written[0]
    if not isinstance(lead, int) or lead == -1:
        return
    if lead == size:
        written[0] = batch
    elif -1 not in written:
        written[0] = -1
    else:
        graph = node.graph  # type: ignore[attr-defined]
        with graph.inserting_before(node):
            written[0] = graph.call_function(operator.mul, (batch, lead // size))
    node.update_arg(1, written)  # type: ignore[attr-defined]
