"""Move strides of 1×1 Convs up to the operations that compute their input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from optkit.core.contract import Edit
from optkit.rewrite.positions import more_than_one_output_used, positional
from optkit.rewrite.replacing import add_constant, namer

if TYPE_CHECKING:
    import onnx_ir as ir

_WINDOWED = frozenset(("AveragePool", "Conv", "LpPool", "MaxPool"))

Strides = tuple[int, ...]


@dataclass(frozen=True)
class _Move:
    """One stride on its way up.

    Attributes:
        values: what will be computed at multiples of the stride alone.
        sources: the windowed operations that take the stride.
        readers: the 1×1 Convs that lose it.
        cuts: (node, input index) where a value that is needed in full has to be sliced.
    """

    values: tuple[ir.Value, ...]
    sources: tuple[ir.Node, ...]
    readers: tuple[ir.Node, ...]
    cuts: tuple[tuple[ir.Node, int], ...]


def move_strides(model: ir.Model) -> Edit:
    """Let no operation compute what a strided 1×1 Conv throws away; edits in place.

    Exact: a window operation of stride s gives at stride s·t what it gave at every t-th position,
    and the sizes agree, as ⌊⌊x/s⌋/t⌋ = ⌊x/(s·t)⌋.
    """
    changed = 0
    while True:
        left: Counter[str] = Counter()
        before = changed
        for value, strides in _strided_values(model).items():
            move = _plan(value, strides)
            if isinstance(move, str):
                left[move] += 1
            else:
                _apply(model, move, strides)
                changed += 1
        if changed == before:  # a stride that arrived at another 1×1 Conv has gone on
            return Edit(changed, dict(left))


def _strided_values(model: ir.Model) -> dict[ir.Value, Strides]:
    """What strided 1×1 Convs read."""
    found: dict[ir.Value, Strides] = {}
    for node in model.graph.all_nodes():
        strides = _pointwise_strides(node)
        if strides is not None and max(strides) > 1:
            found.setdefault(cast("ir.Value", node.inputs[0]), strides)
    return found


def _plan(start: ir.Value, strides: Strides) -> _Move | str:
    """How the stride on `start` can move up; else why not."""
    values = _connected(start, len(strides))
    while bad := {v: why for v in values if (why := _obstacle(v, values, strides))}:
        if start in bad:
            return bad[start]
        values = {value: None for value in values if value not in bad}
    values = _connected(start, len(strides), values)
    producers = tuple(_producer(value) for value in values)
    sources = tuple(node for node in producers if node.op_type in _WINDOWED)
    cuts = tuple(
        (node, index)
        for node in producers
        for index in positional(node, len(strides)) or ()
        if node.inputs[index] not in values
    )
    if not sources or (cuts and all(node.op_type != "Conv" for node in sources)):
        return "no Conv above would compute less"
    users = (node for value in values for node, _ in value.uses())
    readers = dict.fromkeys(node for node in users if _pointwise_strides(node) == strides)
    return _Move(tuple(values), sources, tuple(readers), cuts)


def _connected(
    start: ir.Value, dims: int, within: Collection[ir.Value] | None = None
) -> dict[ir.Value, None]:
    """The values that hang together with `start` through element-wise nodes, itself first."""
    found = {start: None}
    waiting = [start]
    while waiting:
        value = waiting.pop()
        for other in _neighbours(value, dims):
            if other not in found and (within is None or other in within):
                found[other] = None
                waiting.append(other)
    return found


def _neighbours(value: ir.Value, dims: int) -> Iterator[ir.Value]:
    producer = value.producer()
    if producer is not None:
        for index in positional(producer, dims) or ():
            yield cast("ir.Value", producer.inputs[index])
    for node, index in value.uses():
        if index in (positional(node, dims) or ()):
            yield node.outputs[0]


def _obstacle(value: ir.Value, values: Collection[ir.Value], strides: Strides) -> str | None:
    """Why a value cannot be computed at multiples of the stride alone."""
    producer = value.producer()
    if value.is_graph_output():
        return "the value is an output"
    if producer is None:
        return "the value is an input"
    if any(node.graph is not producer.graph for node, _ in value.uses()):
        return "a body of If, Loop or Scan reads the value"
    for node, index in value.uses():
        moves = index in (positional(node, len(strides)) or ()) and node.outputs[0] in values
        if not moves and (index or _pointwise_strides(node) != strides):
            return "others read the value in full"
    if positional(producer, len(strides)) is not None:
        return None
    return _refusal(producer)


def _refusal(node: ir.Node) -> str | None:
    """Why a node takes no stride on top of its own."""
    if node.op_type not in _WINDOWED or node.domain not in {"", "ai.onnx"}:
        return "what computes the value takes no stride"
    if more_than_one_output_used(node):
        return "the operation above gives indices too"
    if node.attributes.get_int("ceil_mode", 0):
        return "the operation above rounds sizes up"
    if not _padding_is_fixed(node):
        return "the padding of the operation above depends on its stride (auto_pad)"
    return None


def _pointwise_strides(node: ir.Node) -> Strides | None:
    """The strides of a 1×1 Conv without padding; None for other nodes."""
    if node.op_type != "Conv" or node.domain not in {"", "ai.onnx"}:
        return None
    kernel = _kernel(node)
    if not kernel or set(kernel) != {1} or any(node.attributes.get_ints("pads", ())):
        return None
    return tuple(node.attributes.get_ints("strides", (1,) * len(kernel)))


def _kernel(node: ir.Node) -> tuple[int, ...] | None:
    given = node.attributes.get_ints("kernel_shape", None)
    if given is not None or node.op_type != "Conv":
        return None if given is None else tuple(given)
    weight = node.inputs[1]
    if weight is None or weight.shape is None or not weight.shape.is_static():
        return None
    return tuple(int(size) for size in weight.shape.numpy()[2:])


def _padding_is_fixed(node: ir.Node) -> bool:
    """Whether another stride leaves the padding; SAME with a 1×1 kernel never pads."""
    if node.attributes.get_string("auto_pad", "NOTSET") in {"NOTSET", "VALID"}:
        return True
    return set(_kernel(node) or (0,)) == {1}


def _producer(value: ir.Value) -> ir.Node:
    node = value.producer()
    assert node is not None
    return node


def _apply(model: ir.Model, move: _Move, strides: Strides) -> None:
    for value in {node.inputs[index]: None for node, index in move.cuts}:
        part = _slice(model, cast("ir.Value", value), strides, move.values[0])
        for node, index in move.cuts:
            if node.inputs[index] is value:
                node.replace_input_with(index, part)
    for node in move.sources:
        own = node.attributes.get_ints("strides", (1,) * len(strides))
        _set_strides(node, [a * b for a, b in zip(own, strides, strict=True)])
    for node in move.readers:
        _set_strides(node, [1] * len(strides))
    for value in move.values:
        _shrink(value, strides)


def _set_strides(node: ir.Node, strides: list[int]) -> None:
    import onnx_ir as ir

    node.attributes["strides"] = ir.AttrInt64s("strides", strides)


def _shrink(value: ir.Value, strides: Strides) -> None:
    """Note the new sizes."""
    import onnx_ir as ir

    if value.shape is not None:
        sizes: list[int | ir.SymbolicDim] = list(value.shape)
        for axis, stride in enumerate(strides, -len(strides)):
            size = sizes[axis]
            if stride > 1:
                sizes[axis] = -(-size // stride) if isinstance(size, int) else ir.SymbolicDim(None)
        value.shape = ir.Shape(sizes)


def _slice(model: ir.Model, value: ir.Value, strides: Strides, beside: ir.Value) -> ir.Value:
    """Every stride-th position of a value, in the graph that computes `beside`."""
    import numpy as np
    import onnx_ir as ir

    name = namer(model)
    axes = [axis for axis in range(-len(strides), 0) if strides[axis] > 1]
    columns = {
        "starts": [0] * len(axes),
        "ends": [np.iinfo(np.int64).max] * len(axes),
        "axes": axes,
        "steps": [strides[axis] for axis in axes],
    }
    constants = [
        add_constant(model, name(f"{value.name}_{role}"), np.array(column, np.int64))
        for role, column in columns.items()
    ]
    node = ir.node("Slice", [value, *constants])
    part = node.outputs[0]
    part.name = name(f"{value.name}_strided")
    part.type = value.type
    part.shape = None if value.shape is None else value.shape.copy()
    _shrink(part, strides)
    producer, graph = value.producer(), _producer(beside).graph
    assert isinstance(graph, ir.Graph)
    if producer is not None and producer.graph is graph:
        graph.insert_after(producer, node)
    else:
        graph.insert_before(graph[0], node)
    return part
