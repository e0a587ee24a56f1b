"""Reads facts out of an OpenVINO model; its nodes and ports are openvino's."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

_WEIGHTED = frozenset({
    "Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData",
    "MatMul",
})  # fmt: skip
_RECURRENT = {"LSTMSequence": 4, "GRUSequence": 3, "RNNSequence": 3, "LSTMCell": 3, "GRUCell": 2,
              "RNNCell": 2}  # fmt: skip
_SCALING = frozenset({"Multiply", "Subtract"})
_MOVES = frozenset({
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "StridedSlice", "Slice", "Broadcast", "Convert",
})  # fmt: skip
_CARRYING = (_MOVES | {"MaxPool", "Pad", "Split", "VariadicSplit", "Concat"}) - {"Convert"}
_WORDS = {"f16": "fp16", "bf16": "bf16", "i8": "w8a16", "u8": "w8a16", "i4": "w4a16",
          "u4": "w4a16", "nf4": "w4a16", "f8e4m3": "w8a16", "f8e5m2": "w8a16"}  # fmt: skip
_FLOATS = frozenset({"f64", "f32", "f16", "bf16"})


def walk(model: Any) -> Iterator[Any]:
    """Every node in order, those of loop and branch bodies included."""
    for node in model.get_ordered_ops():
        yield node
        for body in _bodies(node):
            yield from walk(body)


def parameters(model: Any) -> int:
    """Float or quantized constants of more than one element, scales of quantization left out."""
    total = 0
    for node in walk(model):
        if node.get_type_name() != "Constant":
            continue
        size = math.prod(node.output(0).get_shape())
        kind = _kind(node.output(0))
        readers = [port.get_node() for port in node.output(0).get_target_inputs()]
        counts = kind in _FLOATS or (kind in _WORDS and _is_weight(readers))
        if size > 1 and counts and not _is_scale(node):
            total += size
    return total


def weighted(model: Any) -> Counter[tuple[str, str]]:
    """Operations that carry weights, by type and the precision found."""
    found: Counter[tuple[str, str]] = Counter()
    for node in walk(model):
        places = (1, 0) if node.get_type_name() in _WEIGHTED else ()
        if node.get_type_name() in _RECURRENT:
            places = (_RECURRENT[node.get_type_name()], 0)
        for place, other in (places, places[::-1]) if places else ():
            if (word := _weight_precision(node.input_value(place))) is not None:
                quantized = word in {"w8a16", "fake"} and _is_quantized(node.input_value(other))
                word = "int8" if quantized else "fp32" if word == "fake" else word
                found[node.get_type_name(), word] += 1
                break
    return found


def index_bounds(model: Any) -> dict[str, int]:
    """Rows of the smallest constant table that each Parameter indexes, by its friendly name."""
    bounds: dict[str, int] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Gather" or constant(node.input_value(0)) is None:
            continue
        axis = constant(node.input_value(2))
        source = node.input_value(1).get_node()
        while source.get_type_name() in _MOVES:
            source = source.input_value(0).get_node()
        shape = node.input_value(0).get_partial_shape()
        if axis is None or source.get_type_name() != "Parameter" or shape.is_dynamic:
            continue
        rows = int(shape[int(axis.get_data().item())].get_length())
        name = source.get_friendly_name()
        bounds[name] = min(rows, bounds.get(name, rows))
    return bounds


def flops(model: Any) -> int | None:
    """Multiply-adds count two; None where a shape that counts is dynamic."""
    total = 0
    try:
        for node in walk(model):
            total += _flops(node)
    except RuntimeError:  # a dynamic shape has no sizes
        return None
    return total


def node_flops(model: Any) -> dict[str, int]:
    """The same of each node that has any, by its friendly name; those with a dynamic shape lack."""
    found = {}
    for node in walk(model):
        with contextlib.suppress(RuntimeError):
            if count := _flops(node):
                found[str(node.get_friendly_name())] = count
    return found


def _flops(node: Any) -> int:
    kind = node.get_type_name()

    def shape(index: int) -> tuple[int, ...]:
        return tuple(map(int, node.input_value(index).get_shape()))

    def size() -> int:
        return math.prod(map(int, node.output(0).get_shape()))

    if kind in {"Convolution", "GroupConvolution"}:
        skipped = 2 if kind.startswith("Group") else 1
        return 2 * size() * math.prod(shape(1)[skipped:])
    if kind in {"ConvolutionBackpropData", "GroupConvolutionBackpropData"}:
        skipped = 2 if kind.startswith("Group") else 1
        return 2 * math.prod(shape(0)) * math.prod(shape(1)[skipped:])
    if kind == "MatMul":
        transposed = node.get_attributes()["transpose_a"]
        inner: int = shape(0)[-2 if transposed and len(shape(0)) > 1 else -1]
        return 2 * size() * inner
    if kind == "ScaledDotProductAttention":
        query, key, value = shape(0), shape(1), shape(2)
        return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if kind in _RECURRENT:
        steps = shape(0)[:-1]
        first = _RECURRENT[kind]
        return 2 * math.prod(steps) * (math.prod(shape(first)) + math.prod(shape(first + 1)))
    return 0


def constant(port: Any) -> Any:
    """The Constant behind a port through moves, conversion and scaling by constants, or None."""
    node = port.get_node()
    while node.get_type_name() != "Constant":
        kind = node.get_type_name()
        if kind not in _MOVES | _SCALING | {"FakeQuantize", "FakeConvert"}:
            return None
        if kind in _SCALING and constant(node.input_value(1)) is None:
            return None
        node = node.input_value(0).get_node()
    return node


def _weight_precision(port: Any) -> str | None:
    """Word of the constant behind a weight: `fake` where FakeQuantize quantizes a float one."""
    source = constant(port)
    if source is None:
        return None
    kind = _kind(source.output(0))
    node, fake = port.get_node(), False
    while node.get_type_name() != "Constant":
        fake = fake or node.get_type_name() == "FakeQuantize"
        node = node.input_value(0).get_node()
    return "fake" if fake and kind in _FLOATS else _WORDS.get(kind, "fp32")


def _is_quantized(port: Any) -> bool:
    """Whether an activation was quantized and at most moved about since."""
    node = port.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return True
    if kind == "Convert":
        return _kind(node.input_value(0)) in {"i8", "u8"}
    if kind == "Concat":
        return all(_is_quantized(value) for value in node.input_values())
    if kind in _CARRYING:
        return _is_quantized(node.input_value(0))
    if kind in _SCALING and constant(node.input_value(1)) is not None:
        inner = node.input_value(0).get_node()  # scale and zero point of a dequantized integer
        return inner.get_type_name() in _SCALING | {"Convert"} and _is_quantized(inner.output(0))
    return False


def _is_weight(readers: list[Any]) -> bool:
    """Whether an integer constant is dequantized, or read as a table."""
    return any(node.get_type_name() == "Convert" for node in readers)


def _is_scale(node: Any) -> bool:
    """Whether a constant is a range, scale or zero point of quantization."""
    for target in node.output(0).get_target_inputs():
        reader, index = target.get_node(), target.get_index()
        kind = reader.get_type_name()
        if kind in {"Convert", "Reshape"} and _is_scale(reader):
            return True
        if kind in {"FakeQuantize", "FakeConvert"} and index > 0:
            return True
        if kind in _SCALING and index == 1:
            source = constant(reader.input_value(0))
            if source is not None and _kind(source.output(0)) in _WORDS.keys() - _FLOATS:
                return True
    return False


def _kind(port: Any) -> str:
    return str(port.get_element_type().get_type_name())


def _bodies(node: Any) -> list[Any]:
    kind = node.get_type_name()
    if kind in {"Loop", "TensorIterator"}:
        return [node.get_function()]
    if kind == "If":
        return [node.get_then_body(), node.get_else_body()]
    return []
