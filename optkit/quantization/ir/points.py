"""Finds what of an OpenVINO graph is quantized."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

from optkit.quantization.ir.ends import ends_of
from optkit.quantization.ir.hoist import MOVES, Reading, hoist, is_float
from optkit.quantization.ir.weights import is_constant
from optkit.quantization.sites import Layer, Point, Sites

# Axes of the weights that hold the output's channels, by operation.
_CHANNELS = {
    "Convolution": (0,), "GroupConvolution": (0, 1), "ConvolutionBackpropData": (1,),
    "GroupConvolutionBackpropData": (0, 2),
}  # fmt: skip
# ... and the axis along which channels of the input lie.
_INNER = {
    "Convolution": 1, "GroupConvolution": 2, "ConvolutionBackpropData": 0,
    "GroupConvolutionBackpropData": 1,
}  # fmt: skip
_ACTIVATIONS = frozenset({"Relu", "Clamp", "PRelu", "Sigmoid", "Swish", "HSwish", "Gelu", "Elu"})
_QUANTIZED = frozenset({"FakeQuantize", "FakeConvert"})


def find_sites(model: Any, ignored: Collection[str] = ()) -> Sites:
    """Layers with constant weights, products of activations and residual sums.

    Ranges go above what only moves values about (MaxPool, Reshape, ...), so that it runs on
    integers too. Operations of loop and branch bodies are left alone.

    Args:
        model: an `openvino.Model`, node names unique, as those of a file are.
        ignored: names of operations that stay in floating point.
    """
    nodes = list(model.get_ordered_ops())
    wanted: dict[Reading, None] = {}
    layers: dict[str, tuple[Any, int]] = {}
    for node in nodes:
        name = node.get_friendly_name()
        if name in ignored or not is_float(node):
            continue
        place = _weight_place(node)
        if place is not None:
            layers[name] = (node, place)
            wanted[name, 1 - place] = None
        elif places := _products(node) or _sums(node, ignored):
            wanted |= dict.fromkeys((name, place) for place in places)
    groups = hoist(nodes, wanted)
    by_name = {node.get_friendly_name(): node for node in nodes}
    readers: dict[str, list[Reading]] = {}
    for name, place in wanted:
        source = by_name[name].input_value(place)
        if is_float(source.get_node()) and not is_constant(source):
            readers.setdefault(key_of(source), []).append((name, place))
    order = {key_of(port): None for node in nodes for port in node.outputs()}
    points = tuple(
        Point(
            key,
            tuple(readers[key]),
            next((groups[reading] for reading in readers[key] if reading in groups), key),
            all(_is_depthwise(by_name[name]) for name, _ in readers[key]),
            ends_of(by_name[key.rpartition(":")[0]]),
        )
        for key in order
        if key in readers and not _is_quantized(by_name, key)
    )
    tables = [node.get_friendly_name() for node in nodes if _is_table(node)]
    return Sites(
        points, tuple(_layers(layers)), tuple(name for name in tables if name not in ignored)
    )


def key_of(port: Any) -> str:
    """The name of a tensor: its node's and its place among the outputs."""
    return f"{port.get_node().get_friendly_name()}:{port.get_index()}"


def _layers(found: dict[str, tuple[Any, int]]) -> Iterator[Layer]:
    for name, (node, place) in found.items():
        if node.get_type_name() == "MatMul":
            transposed = node.get_attributes()["transpose_b" if place else "transpose_a"]
            rank = len(node.input_value(place).get_partial_shape())
            axes: tuple[int, ...] = (rank - 1 if bool(place) != transposed else rank - 2,)
            inner = (2 * rank - 3 - axes[0],)  # the other one of the last two
        else:
            axes, inner = _CHANNELS[node.get_type_name()], (_INNER[node.get_type_name()],)
        reads = key_of(node.input_value(1 - place))
        gives, out = key_of(node.output(0)), -1 if node.get_type_name() == "MatMul" else 1
        channel, cost = _summed(node, place), _cost(node, place)
        yield Layer(name, reads, place, axes, channel, gives, out, inner, False, cost)


def _weight_place(node: Any) -> int | None:
    """Which input of a layer is constant."""
    kind = node.get_type_name()
    if kind in _CHANNELS:
        return 1 if is_constant(node.input_value(1)) else None
    if kind != "MatMul":
        return None
    constant = [is_constant(node.input_value(place)) for place in (0, 1)]
    if constant[0] == constant[1]:
        return None
    place = constant.index(True)
    return place if len(node.input_value(place).get_partial_shape()) > 1 else None


def _products(node: Any) -> tuple[int, ...]:
    """The inputs of a product of activations that are quantized: not behind a softmax.

    A softmax's output is skewed, and 8 bits in even steps lose its small values.
    """
    kind = node.get_type_name()
    if kind == "ScaledDotProductAttention":
        return (0, 1)
    if kind != "MatMul" or any(is_constant(value) for value in node.input_values()):
        return ()
    return () if any(_is_softmax(value.get_node()) for value in node.input_values()) else (0, 1)


def _sums(node: Any, ignored: Collection[str]) -> tuple[int, ...]:
    """Both inputs of a sum beside a convolution: the runtime adds within the convolution."""
    values = node.input_values()
    if node.get_type_name() != "Add" or any(is_constant(value) for value in values):
        return ()
    shapes = [value.get_partial_shape() for value in values]
    if any(shape.rank.is_dynamic or len(shape) < 3 for shape in shapes) or shapes[0] != shapes[1]:
        return ()
    beside = [_convolution(value.get_node()) for value in values]
    names = {found.get_friendly_name() for found in beside if found is not None}
    return (0, 1) if names and names.isdisjoint(ignored) else ()


def _convolution(node: Any) -> Any:
    """The convolution that a value comes out of, through a bias and an activation, or None."""
    for _ in range(4):
        kind = node.get_type_name()
        if kind in _CHANNELS:
            return node
        biased = kind in {"Add", "Multiply"} and is_constant(node.input_value(1))
        if not biased and kind not in _ACTIVATIONS:
            return None
        node = node.input_value(0).get_node()
    return None


def _is_quantized(by_name: dict[str, Any], key: str) -> bool:
    return str(by_name[key.rpartition(":")[0]].get_type_name()) in _QUANTIZED


def _is_softmax(node: Any) -> bool:
    while node.get_type_name() in MOVES:
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Softmax")


def _is_table(node: Any) -> bool:
    """Whether a node looks up rows of a constant matrix, as an embedding does."""
    if node.get_type_name() != "Gather" or not is_float(node):
        return False
    shape = node.input_value(0).get_partial_shape()
    axis = node.input_value(2).get_node()
    if axis.get_type_name() != "Constant" or axis.data.item() != 0 or len(shape) != 2:
        return False
    return is_constant(node.input_value(0)) and shape[0].get_length() * shape[1].get_length() > 256


def _is_depthwise(node: Any) -> bool:
    """Whether each channel of the output hangs on one of the input alone."""
    if node.get_type_name() != "GroupConvolution":
        return False
    shape = node.input_value(1).get_partial_shape()
    return bool(shape.is_static and shape[2].get_length() == 1)


def _summed(node: Any, place: int) -> int | None:
    """The axis of a layer's input whose values its weights sum up."""
    if node.get_type_name() in {"Convolution", "GroupConvolution"}:
        return 1
    if node.get_type_name() != "MatMul" or place == 0:
        return None
    return -2 if node.get_attributes()["transpose_a"] else -1


def _cost(node: Any, place: int) -> int:
    """Multiply-adds of a layer; with dynamic dimensions, of one along each."""
    shape = node.output(0).get_partial_shape()
    weight = node.input_value(place).get_partial_shape()
    if shape.rank.is_dynamic or weight.is_dynamic:
        return 0
    sizes: list[int] = [1 if size.is_dynamic else size.get_length() for size in shape]
    weights: list[int] = [size.get_length() for size in weight]
    if node.get_type_name() == "MatMul":
        return math.prod(sizes) * max(math.prod(weights) // sizes[-1], 1)
    return math.prod(sizes[:1] + sizes[2:]) * math.prod(weights)
