"""Finds what of an ONNX graph is quantized, so that ONNX Runtime runs it in integers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from optkit.quantization.sites import Layer, Point, Sites

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_MOVES = frozenset({
    "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Identity",
})  # fmt: skip
_ACTIVATIONS = frozenset({"Relu", "Clip"})


def name_of(node: Any) -> str:
    """A node's name, or that of its first output where it has none."""
    return str(node.name or node.output[0])


def operations(model: Any) -> dict[str, tuple[str, str]]:
    """The type of each operation by its name, and the name again: it is the source's."""
    return {name_of(node): (node.op_type, name_of(node)) for node in model.graph.node}


def constants(model: Any) -> dict[str, Any]:
    """Constant tensors by name: initializers and Constant nodes."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            found |= {node.output[0]: item.t for item in node.attribute if item.name == "value"}
    return found


def find_sites(model: Any, ignored: Collection[str] = ()) -> Sites:
    """Layers with constant weights, products of activations, residual sums, what layers give.

    A convolution runs in integers only where its output is quantized too, behind its ReLU.

    Args:
        model: an `onnx.ModelProto`; operations of its subgraphs are left alone.
        ignored: names of operations that stay in floating point.
    """
    import onnx

    graph, fixed = model.graph, constants(model)
    ends = {value.name for value in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[tuple[Any, int]]] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, place))
    wanted: dict[tuple[str, int], str] = {}
    layers = []

    def want(node: Any, place: int) -> None:
        if node.input[place] not in fixed:
            wanted[name_of(node), place] = node.input[place]

    for node in graph.node:
        if name_of(node) in ignored:
            continue
        if (layer := _layer(node, fixed)) is not None:
            if fixed[node.input[layer.weight]].data_type != onnx.TensorProto.FLOAT:
                continue
            layers.append(layer)
            want(node, 1 - layer.weight)
            if node.op_type in {"Conv", "ConvTranspose"}:
                given = _activated(node.output[0], readers, ends)
                for reader, place in [] if given in ends else readers.get(given, []):
                    if name_of(reader) not in ignored:
                        want(reader, place)
        elif node.op_type == "MatMul" and not any(name in fixed for name in node.input):
            if not any(_is_softmax(name, makers) for name in node.input):
                want(node, 0)
                want(node, 1)
        elif node.op_type == "Add" and _beside_convolution(node, makers, fixed):
            want(node, 0)
            want(node, 1)
    groups = _hoist(list(graph.node), wanted, readers, fixed, ends)
    found: dict[str, list[tuple[str, int]]] = {}
    for reading, value in wanted.items():
        found.setdefault(value, []).append(reading)
    order = [value.name for value in graph.input] + [n for node in graph.node for n in node.output]
    points = tuple(
        Point(key, tuple(found[key]), next((groups[r] for r in found[key] if r in groups), key))
        for key in order
        if key in found and not _is_quantized(key, makers)
    )
    return Sites(points, tuple(layers))


def _layer(node: Any, fixed: dict[str, Any]) -> Layer | None:
    import onnx

    if node.op_type not in _LAYERS or len(node.input) < 2:
        return None
    given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    place = 1 if node.input[1] in fixed else 0
    if node.input[place] not in fixed or (place == 0 and node.op_type != "MatMul"):
        return None
    if node.input[1 - place] in fixed:
        return None
    rank = len(fixed[node.input[place]].dims)
    if node.op_type in {"Conv", "ConvTranspose"}:
        if node.op_type == "ConvTranspose" and given.get("group", 1) != 1:
            return None
        axes: tuple[int, ...] = (0,) if node.op_type == "Conv" else (1,)
        summed: int | None = 1 if node.op_type == "Conv" else None
    elif node.op_type == "Gemm":
        if given.get("transA", 0) or given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1:
            return None
        axes, summed = ((0,) if given.get("transB", 0) else (1,)), 1
    else:
        if rank != 2:
            return None
        axes, summed = ((1,), -1) if place else ((0,), None)
    out = 1 if node.op_type in {"Conv", "ConvTranspose"} else -1 if place else -2
    reads, cost = node.input[1 - place], 1
    for size in fixed[node.input[place]].dims:
        cost *= size
    return Layer(name_of(node), reads, place, axes, summed, node.output[0], out, cost)


def _activated(value: str, readers: Any, ends: set[str]) -> str:
    """The value behind a convolution's activation, where nothing else reads what is before it."""
    read = readers.get(value, [])
    if len(read) == 1 and value not in ends and read[0][0].op_type in _ACTIVATIONS:
        return str(read[0][0].output[0])
    return value


def _beside_convolution(node: Any, makers: dict[str, Any], fixed: dict[str, Any]) -> bool:
    if any(name in fixed for name in node.input):
        return False
    return any(
        name in makers and makers[name].op_type in {"Conv", "ConvTranspose"} for name in node.input
    )


def _is_softmax(value: str, makers: dict[str, Any]) -> bool:
    while value in makers and makers[value].op_type in _MOVES:
        value = makers[value].input[0]
    return value in makers and makers[value].op_type == "Softmax"


def _is_quantized(value: str, makers: dict[str, Any]) -> bool:
    return value in makers and makers[value].op_type == "DequantizeLinear"


def _hoist(
    nodes: list[Any],
    wanted: dict[tuple[str, int], str],
    readers: dict[str, list[tuple[Any, int]]],
    fixed: dict[str, Any],
    ends: set[str],
) -> dict[tuple[str, int], str]:
    """Move what is wanted above moves and concatenations all of whose readers want it."""
    groups: dict[tuple[str, int], str] = {}
    for node in reversed(nodes):
        if node.op_type not in _MOVES | {"Concat"} or ends.intersection(node.output):
            continue
        read = [(name_of(n), at) for value in node.output for n, at in readers.get(value, [])]
        above = list(node.input) if node.op_type == "Concat" else list(node.input[:1])
        if not read or any(item not in wanted for item in read) or fixed.keys() & above:
            continue
        shared = next((groups[item] for item in read if item in groups), None)
        if node.op_type == "Concat":
            shared = shared or name_of(node)
        for item in read:
            del wanted[item]
        for place, value in enumerate(above):
            wanted[name_of(node), place] = value
            if shared is not None:
                groups[name_of(node), place] = shared
    return groups
