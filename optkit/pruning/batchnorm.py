"""BatchNorm in a graph: its statistics measured anew, and whether it uses those of the batch."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import operation, tensor_at

if TYPE_CHECKING:
    import torch

_STATISTICS, _TRAINING, _MOMENTUM = (3, 4), 5, 6


def normalized(graph: torch.fx.GraphModule) -> list[Any]:
    """The BatchNorm nodes whose statistics are the graph's own."""
    return [
        node
        for node in graph.graph.nodes
        if operation(node) == "batch_norm" and getattr(node.args[3], "op", "") == "get_attr"
    ]


def training(graph: torch.fx.GraphModule, momentum: float | None = None) -> torch.fx.GraphModule:
    """A graph on the same tensors whose BatchNorm uses, and follows, the batch's statistics.

    Args:
        graph: the graph.
        momentum: how fast it follows; None for its own.
    """
    import torch

    made = torch.fx.GraphModule(graph, copy.deepcopy(graph.graph))
    for node in normalized(made):
        node.update_arg(_TRAINING, True)
        if momentum is not None:
            node.update_arg(_MOMENTUM, momentum)
    made.recompile()
    return made


def reestimate(graph: torch.fx.GraphModule, batches: Iterable[Sequence[torch.Tensor]]) -> int:
    """Measure mean and variance of every BatchNorm's input anew, in place.

    While measuring, each batch is normalized by its own statistics, so that a layer sees what the
    ones before it will give: arXiv 2002.08258 has shown what this wins back after pruning.

    Returns:
        How many BatchNorms there are.
    """
    import torch

    nodes = normalized(graph)
    if not nodes:
        return 0
    live = training(graph, momentum=1.0)
    sums: dict[str, list[torch.Tensor]] = {}
    count = 0
    with torch.no_grad():
        for batch in batches:
            live(*batch)
            count += 1
            for node in nodes:
                now = [tensor_at(graph, node.args[at].target).clone() for at in _STATISTICS]
                old = sums.get(node.name, [torch.zeros_like(part) for part in now])
                sums[node.name] = [a + b for a, b in zip(old, now, strict=True)]
        for node in nodes:
            for at, total in zip(_STATISTICS, sums[node.name], strict=True):
                tensor_at(graph, node.args[at].target).copy_(total / count)
    return len(nodes)
