"""Follows every channel through a network's graph: what must go together, what must stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optkit.pruning import layers, moves, products, reshapes
from optkit.pruning.flow import Flow, unknown
from optkit.pruning.graph import by_use, described, layer_of, operation, out_axes, record, tensor_at
from optkit.pruning.structure import Group, Structure, Weight

if TYPE_CHECKING:
    import numpy as np
    import torch


_RULES = {**reshapes.RULES, **moves.RULES, **products.RULES, **layers.RULES}


def analyse(network: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]) -> Structure:
    """Follow the channels through a graph of ATen operations.

    An operation that is not known keeps every channel that it reads: what can go is exact, and
    never more than that.

    Args:
        network: as `torch.export` gives it, weights as attributes.
        inputs: one legal input, which is run once for the shapes.
    """
    import numpy as np

    flow = Flow(record(network, inputs))
    tensors = _tensors(network, flow)
    for node in network.graph.nodes:
        if node.op == "get_attr":
            continue
        flow.here = described(node)
        if node.op == "output":
            flow.here = "an output of the network"
            unknown(flow, node)
        elif node.op == "placeholder":
            flow.axes[node] = [None] * len(flow.shapes[node] or ())
        else:
            flow.axes[node] = _rule(node)(flow, node)
    flow.channels.fix(np.zeros(1, np.int64), "is no weight's")
    return _structured(network, flow, tensors)


def _tensors(network: torch.fx.GraphModule, flow: Flow) -> dict[str, list[str]]:
    """Give every weight its atoms; tied weights have the same ones. First name to all names."""
    names: dict[str, list[str]] = {}
    first: dict[Any, str] = {}
    for node in by_use(network):
        if not isinstance(flow.shapes[node], tuple):
            continue
        tensor = tensor_at(network, node.target)
        key = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else node.target
        lead = first.setdefault(key, node.target)
        if lead not in names:
            floating = tensor.is_floating_point()
            flow.axes[lead] = [
                flow.channels.fresh(size) if floating and size > 1 else None
                for size in tensor.shape
            ]
            names[lead] = []
        if node.target not in names[lead]:
            names[lead].append(node.target)
        flow.axes[node] = flow.axes[lead]
    return names


def _rule(node: Any) -> Any:
    import torch

    if node.op == "call_function" and getattr(node.target, "__name__", "") == "getitem":
        return moves.getitem
    found = _RULES.get(operation(node))
    if found is None and isinstance(node.target, torch._ops.OpOverload):
        if torch.Tag.pointwise in node.target.tags:
            return layers.pointwise
        plain = getattr(torch.ops.aten, operation(node), None)  # an operation in place has no tag
        overload = getattr(plain, node.target._overloadname, None)
        if overload is not None and torch.Tag.pointwise in overload.tags:
            return layers.pointwise
    return found or unknown


def _structured(
    network: torch.fx.GraphModule, flow: Flow, tensors: Mapping[str, Sequence[str]]
) -> Structure:
    """Number what can go, and put alike units together."""
    import numpy as np

    places: dict[int, list[tuple[str, int]]] = {}
    left: Counter[str] = Counter()
    makes = {lead: axis for name, axis in out_axes(network).items()
             for lead, names in tensors.items() if name in names}  # fmt: skip
    for name in tensors:
        for at, axis in enumerate(flow.axes[name]):
            if axis is None:
                continue
            roots, counts = np.unique(flow.channels.roots(axis), return_counts=True)
            for root, count in zip(roots.tolist(), counts.tolist(), strict=True):
                why = flow.channels.why_fixed(root)
                if why is None:
                    places.setdefault(root, []).append((name, at))
                elif makes.get(name) == at:
                    left[why] += count
    alike = _alike(flow, places)
    unit_of = np.full(flow.channels.count, -1)
    groups, count = list[Group](), 0
    for where, members in alike.items():
        if len(members) < 2:
            left["one unit alone"] += 1
            continue
        numbers = np.arange(count, count + len(members))
        unit_of[members], count = numbers, count + len(members)
        group = _group(flow, tensors, where, numbers, unit_of, makes)
        twins = sum(other.name.partition("#")[0] == group.name for other in groups)
        groups.append(replace(group, name=f"{group.name}#{twins + 1}") if twins else group)
    made = Structure(network, flow, {}, tuple(groups), count, dict(left), unit_of)
    weights = {
        name: Weight(tuple(names), tuple(made.units(axis) for axis in flow.axes[name]))
        for name, names in tensors.items()
    }
    return Structure(network, flow, weights, tuple(groups), count, dict(left), unit_of)


def _alike(
    flow: Flow, places: Mapping[int, list[tuple[str, int]]]
) -> dict[tuple[tuple[str, int], ...], list[int]]:
    """What can go, by the axes that lose something with it; at least one is a matrix's."""
    alike: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for root, where in places.items():
        if any(len(flow.axes[name]) > 1 for name, _ in where):
            alike.setdefault(tuple(where), []).append(root)
    return alike


def _group(
    flow: Flow,
    tensors: Mapping[str, Sequence[str]],
    where: Sequence[tuple[str, int]],
    numbers: np.ndarray,
    unit_of: np.ndarray,
    makes: Mapping[str, int],
) -> Group:
    import numpy as np

    makers = [(name, at) for name, at in where if makes.get(name) == at]
    name, at = makers[0] if makers else where[0]
    roots = flow.channels.roots(flow.axes[name][at])
    ours = unit_of[roots][np.isin(unit_of[roots], numbers)]
    _, order = np.unique(ours, return_index=True)
    members = dict.fromkeys(layer_of(other) for item, _ in where for other in tensors[item])
    return Group(
        layer_of(name),
        tuple(members),
        numbers[np.argsort(order, kind="stable")],
        max(1, round(len(ours) / len(numbers))),
    )
