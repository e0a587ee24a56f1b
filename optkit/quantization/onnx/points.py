"""Finds what of an ONNX graph is quantized, so that ONNX Runtime runs it in integers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optkit.graphs.onnx_graph import attribute
from optkit.quantization.onnx.ends import ends_of
from optkit.quantization.onnx.shapes import shapes
from optkit.quantization.sites import Layer, Point, Sites

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
MOVES = frozenset({
    "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Identity",
})  # fmt: skip
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_ACTIVATIONS = frozenset({"Relu", "Clip"})

Reading = tuple[str, int]


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
            values = [item.t for item in node.attribute if item.name == "value"]
            found |= dict.fromkeys(node.output, values[0]) if values else {}
    return found


def find_sites(model: Any, ignored: Collection[str] = ()) -> Sites:
    """Layers with constant weights, products of activations, residual sums, what layers give.

    A convolution runs in integers only where its output is quantized too, behind its ReLU.

    Args:
        model: an `onnx.ModelProto`; operations of its subgraphs are left alone.
        ignored: names of operations that stay in floating point.
    """
    fixed = constants(model)
    nodes = [node for node in model.graph.node if name_of(node) not in ignored]
    dims = shapes(model)
    found = {name_of(node): _layer(node, fixed, dims) for node in nodes}
    layers = {name: layer for name, layer in found.items() if layer is not None}
    view = _View(model, fixed)
    wanted: dict[Reading, str] = {}
    for node in nodes:
        layer = layers.get(name_of(node))
        places = view.sum_or_product(node) if layer is None else (1 - layer.weight,)
        read = [(node, place) for place in places]
        if node.op_type in _CONVOLUTIONS and layer is not None:
            read += [item for item in view.behind(node) if name_of(item[0]) not in ignored]
        for reader, place in read:
            if reader.input[place] not in fixed:
                wanted[name_of(reader), place] = reader.input[place]
    groups = _hoist(view, wanted)
    readers: dict[str, list[Reading]] = {}
    for reading, value in wanted.items():
        readers.setdefault(value, []).append(reading)
    order = [value.name for value in model.graph.input]
    order += [name for node in model.graph.node for name in node.output]
    points = tuple(
        Point(
            key,
            tuple(readers[key]),
            next((groups[reading] for reading in readers[key] if reading in groups), key),
            ends=ends_of(view.makers.get(key), fixed),
        )
        for key in order
        if key in readers and not view.is_quantized(key)
    )
    return Sites(points, tuple(layers.values()))


class _View:
    """Who makes and who reads each value of a graph."""

    def __init__(self, model: Any, fixed: dict[str, Any]) -> None:
        self.nodes = list(model.graph.node)
        self.fixed = fixed
        self.ends = {value.name for value in model.graph.output}
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[tuple[Any, int]]] = {}
        for node in self.nodes:
            for place, name in enumerate(node.input):
                self.readers.setdefault(name, []).append((node, place))

    def behind(self, node: Any) -> list[tuple[Any, int]]:
        """Who reads what a convolution gives, behind its activation if nothing else reads it."""
        value = node.output[0]
        read = self.readers.get(value, [])
        if len(read) == 1 and value not in self.ends and read[0][0].op_type in _ACTIVATIONS:
            value = read[0][0].output[0]
        return [] if value in self.ends else self.readers.get(value, [])

    def sum_or_product(self, node: Any) -> tuple[int, ...]:
        """The inputs that are quantized of a product of activations, or of a residual sum."""
        if any(name in self.fixed for name in node.input):
            return ()
        if node.op_type == "MatMul" and not any(map(self._is_softmax, node.input)):
            return (0, 1)
        makers = [self.makers.get(name) for name in node.input]
        beside = any(maker is not None and maker.op_type in _CONVOLUTIONS for maker in makers)
        return (0, 1) if node.op_type == "Add" and beside else ()

    def is_quantized(self, value: str) -> bool:
        """Whether it comes out of integers already."""
        return value in self.makers and self.makers[value].op_type == "DequantizeLinear"

    def _is_softmax(self, value: str) -> bool:
        while value in self.makers and self.makers[value].op_type in MOVES:
            value = self.makers[value].input[0]
        return value in self.makers and self.makers[value].op_type == "Softmax"


def _layer(node: Any, fixed: dict[str, Any], dims: Mapping[str, Sequence[int]]) -> Layer | None:
    """The node as a layer with constant float32 weights, where it is one that can be quantized."""
    import onnx

    if node.op_type not in _LAYERS or len(node.input) < 2:
        return None
    place = 0 if node.op_type == "MatMul" and node.input[0] in fixed else 1
    weights = fixed.get(node.input[place])
    if weights is None or weights.data_type != onnx.TensorProto.FLOAT:
        return None
    axes = _axes(node, place, len(weights.dims))
    if not axes or node.input[1 - place] in fixed:
        return None
    summed = {"Conv": 1, "Gemm": 1, "MatMul": -1 if place else None}.get(node.op_type)
    out = 1 if node.op_type in _CONVOLUTIONS else -1 if place else -2
    reads, gives = node.input[1 - place], node.output[0]
    inner = _inner(node, axes, weights.dims)
    channels = math.prod(weights.dims[axis] for axis in axes)
    cost = math.prod(dims.get(gives, (channels,))) * math.prod(weights.dims) // max(channels, 1)
    return Layer(name_of(node), reads, place, axes, summed, gives, out, inner, True, cost)


def _inner(node: Any, axes: tuple[int, ...], dims: Any) -> tuple[int, ...]:
    """The axes along which ONNX Runtime adds products two by two: of a patch channels lie inmost.

    A channel by itself (depthwise) has a kernel of its own, which adds in 32 bits.
    """
    if node.op_type != "Conv":
        return (1 - axes[0],)
    groups = attribute(node, "group", 1)
    return () if dims[1] == 1 and groups == dims[0] > 1 else (*range(2, len(dims)), 1)


def _axes(node: Any, place: int, rank: int) -> tuple[int, ...]:
    """The axes of the weights along which channels of the output lie; none if not one fits."""
    import onnx

    given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Conv":
        return (0,)
    if node.op_type == "ConvTranspose":
        return (1,) if given.get("group", 1) == 1 else ()
    if node.op_type == "Gemm":
        plain = not given.get("transA", 0) and given.get("alpha", 1) == given.get("beta", 1) == 1
        return ((0,) if given.get("transB", 0) else (1,)) if plain else ()
    return ((1,) if place else (0,)) if rank == 2 else ()


def _hoist(view: _View, wanted: dict[Reading, str]) -> dict[Reading, str]:
    """Move what is wanted above moves and concatenations all of whose readers want it."""
    groups: dict[Reading, str] = {}
    for node in reversed(view.nodes):
        if node.op_type not in MOVES | {"Concat"} or view.ends.intersection(node.output):
            continue
        name = name_of(node)
        read = [(name_of(n), at) for value in node.output for n, at in view.readers.get(value, [])]
        above = list(node.input) if node.op_type == "Concat" else list(node.input[:1])
        if not read or any(item not in wanted for item in read) or view.fixed.keys() & above:
            continue
        shared = next((groups[item] for item in read if item in groups), None)
        if node.op_type == "Concat":
            shared = shared or name
        for item in read:
            del wanted[item]
        for place, value in enumerate(above):
            wanted[name, place] = value
            if shared is not None:
                groups[name, place] = shared
    return groups
