"""Takes units out of a network: weights sliced, sizes in the graph made to fit."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from optkit.pruning.cost import length
from optkit.pruning.flow import argument, axis_at
from optkit.pruning.graph import groups_of, groups_position, operation, tensor_at
from optkit.pruning.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import torch

    from optkit.pruning.coupling import Axis


def cut(structure: Structure, gone: np.ndarray) -> torch.fx.GraphModule:
    """The network without some units; the original stays as it is.

    Args:
        structure: of the network.
        gone: bool per unit.
    """
    network = copy.deepcopy(structure.network)
    _slice_weights(structure, gone, network)
    twins = zip(structure.network.graph.nodes, network.graph.nodes, strict=True)
    for node, twin in twins:
        _fit(_Sizes(structure, gone), node, twin)
    network.graph.lint()
    network.recompile()
    return network


def _slice_weights(structure: Structure, gone: np.ndarray, network: torch.nn.Module) -> None:
    import torch

    for weight in structure.weights.values():
        tensor = tensor_at(network, weight.names[0])
        with torch.no_grad():
            made = tensor.detach()
            for at, units in enumerate(weight.units):
                if units is not None:
                    kept = torch.from_numpy((units < 0) | ~gone[units])
                    made = made[(slice(None),) * at + (kept,)]
        if made.shape == tensor.shape:
            continue
        made = made.contiguous()
        value = (
            torch.nn.Parameter(made, requires_grad=tensor.requires_grad)
            if isinstance(tensor, torch.nn.Parameter)
            else made
        )
        for name in weight.names:
            owner, _, leaf = name.rpartition(".")
            holder: Any = network.get_submodule(owner) if owner else network
            setattr(holder, leaf, value)


class _Sizes:
    """How long axes are once units are gone."""

    def __init__(self, structure: Structure, gone: np.ndarray) -> None:
        self.structure, self.gone = structure, gone

    def of(self, axis: Axis, size: int) -> int:
        units = self.structure.units(axis)
        return size if units is None else length(units, self.gone)

    def all(self, node: Any) -> list[int]:
        flow = self.structure.flow
        pairs = zip(flow.of(node), flow.shape(node), strict=True)
        return [self.of(axis, size) for axis, size in pairs]

    def shrinks(self, node: Any) -> bool:
        """Whether a value loses anything."""
        shape = self.structure.flow.shapes.get(node)
        return isinstance(shape, tuple) and self.all(node) != list(shape)


def _fit(sizes: _Sizes, node: Any, twin: Any) -> None:
    """Put the new sizes where an operation has them written out."""
    name = operation(node)
    reads = [given for given in node.all_input_nodes if sizes.shrinks(given)]
    if not reads:
        return
    if name in {"view", "reshape", "_unsafe_view", "view_copy", "expand", "broadcast_to"}:
        _fit_shape(sizes, node, twin)
    elif name == "unflatten":
        at, count = axis_at(node.args[1], len(sizes.all(node.args[0]))), len(node.args[2])
        _set(twin, 2, "sizes", sizes.all(node)[at : at + count])
    elif name in {"split", "split_with_sizes", "chunk", "tensor_split"}:
        _fit_split(sizes, node, twin)
    elif name == "slice":
        _fit_slice(sizes, node, twin)
    elif name in {"layer_norm", "rms_norm"}:
        count = len(node.args[1])
        _set(twin, 1, "normalized_shape", sizes.all(node)[-count:])
    elif name == "group_norm":
        before, after = sizes.structure.flow.shape(node)[1], sizes.all(node)[1]
        _set(twin, 1, "num_groups", node.args[1] * after // before)
    elif "conv" in name and groups_of(node) > 1:
        weight = node.args[1]
        before, after = sizes.structure.flow.shape(weight)[0], sizes.all(weight)[0]
        _set(twin, groups_position(node), "groups", groups_of(node) * after // before)


def _set(twin: Any, position: int, name: str, value: Any) -> None:
    if position < len(twin.args):
        twin.update_arg(position, value)
    else:
        twin.update_kwarg(name, value)


def _fit_shape(sizes: _Sizes, node: Any, twin: Any) -> None:
    """Only what changes: other sizes may be symbols, or -1."""
    written = list(twin.args[1])
    old, new = sizes.structure.flow.shape(node), sizes.all(node)
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after and written[at] != -1:
            symbolic = not isinstance(written[at], int)
            written[at] = -1 if symbolic and -1 not in written else after
    _set(twin, 1, "size", written)


def _fit_split(sizes: _Sizes, node: Any, twin: Any) -> None:
    import torch

    flow = sizes.structure.flow
    at = axis_at(argument(node, 2, "dim", 0), len(flow.shape(node.args[0])))
    pieces = [
        sizes.of(axes[at], shape[at])
        for axes, shape in zip(flow.axes[node], flow.shapes[node], strict=True)
    ]
    twin.target = torch.ops.aten.split_with_sizes.default
    twin.args, twin.kwargs = (twin.args[0], pieces, at), {}


def _fit_slice(sizes: _Sizes, node: Any, twin: Any) -> None:
    flow = sizes.structure.flow
    x = node.args[0]
    at = axis_at(argument(node, 1, "dim", 0), len(flow.shape(x)))
    before = flow.shape(x)[at]
    if sizes.of(flow.of(x)[at], before) == before or flow.shape(node)[at] == before:
        return
    start = max(0, axis_at(argument(node, 2, "start") or 0, before))
    axis = flow.of(x)[at]
    lead = 0 if axis is None else sizes.of(axis[:start], start)
    twin.args = (twin.args[0], at, lead, lead + sizes.of(flow.of(node)[at], flow.shape(node)[at]))
    twin.kwargs = {}
