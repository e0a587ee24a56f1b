"""Reads facts out of an ONNX graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

_WEIGHT_PLACES = {
    "Conv": (1, 0), "ConvTranspose": (1, 0), "Gemm": (1, 0), "MatMul": (1, 0),
    "FusedMatMul": (1, 0), "FusedConv": (1, 0), "FusedGemm": (1, 0), "LSTM": (1, 0),
    "GRU": (1, 0), "RNN": (1, 0), "Attention": (1, 0),
}  # fmt: skip
_INTEGER = frozenset({
    "QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "QAttention",
    "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLSTM",
})  # fmt: skip
_MOVES = frozenset({
    "Cast", "CastLike", "Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten",
    "Slice", "Expand",
})  # fmt: skip
_CARRYING = _MOVES | {"MaxPool", "Pad", "Split", "Gather"} - {"Cast", "CastLike"}


@dataclass(frozen=True)
class Scope:
    """What a node can refer to by name.

    Attributes:
        producers: nodes by the values they give.
        constants: tensors by name, initializers and Constant nodes alike.
    """

    producers: Mapping[str, onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]


def walk(graph: onnx.GraphProto, outer: Scope | None = None) -> Iterator[tuple[Any, Scope]]:
    """Every node with its scope, those of subgraphs included."""
    producers = {name: node for node in graph.node for name in node.output if name}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = attribute.t
    scope = Scope(
        {**(outer.producers if outer else {}), **producers},
        {**(outer.constants if outer else {}), **constants},
    )
    for node in graph.node:
        yield node, scope
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from walk(inner, scope)


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant tensor, those of subgraphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from tensors(inner)


def parameters(graph: onnx.GraphProto) -> int:
    """Float or quantized values of more than one element that reach operators as data.

    Integer tensors count where DequantizeLinear or an integer operator reads them first.
    """
    import onnx

    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16,
              onnx.TensorProto.DOUBLE}  # fmt: skip
    counted: dict[int, int] = {}
    scales: set[int] = set()
    for node, scope in walk(graph):
        quantizer = node.op_type in {"DequantizeLinear", "QuantizeLinear"}
        integer = node.op_type in _INTEGER | {"MatMulNBits", "GatherBlockQuantized"}
        for place, name in enumerate(node.input):
            tensor = scope.constants.get(name)
            if tensor is None:
                continue
            if (quantizer and place > 0) or (integer and place not in _data_places(node.op_type)):
                scales.add(id(tensor))
                continue
            size = math.prod(tensor.dims)
            if node.op_type == "MatMulNBits":
                size = attribute(node, "N", 0) * attribute(node, "K", 0)
            if size > 1 and (tensor.data_type in floats or quantizer or integer):
                counted[id(tensor)] = size
    return sum(size for key, size in counted.items() if key not in scales)


def _data_places(op_type: str) -> tuple[int, ...]:
    return {"QLinearConv": (0, 3, 8), "QLinearMatMul": (0, 3), "QGemm": (0, 3, 6)}.get(
        op_type, (0, 1)
    )


def weighted(graph: onnx.GraphProto) -> Counter[tuple[str, str]]:
    """Operations that carry weights, by type and the precision found."""
    found: Counter[tuple[str, str]] = Counter()
    for node, scope in walk(graph):
        if node.op_type in _INTEGER:
            found[node.op_type, "int8"] += 1
        elif node.op_type == "MatMulNBits":
            found[node.op_type, f"w{attribute(node, 'bits', 4)}a16"] += 1
        elif node.op_type in _WEIGHT_PLACES:
            for place, other in (_WEIGHT_PLACES[node.op_type], (0, 1)):
                if len(node.input) > max(place, other) and (
                    word := _weight_precision(node.input[place], scope)
                ):
                    quantized = word[0] == "w" and _is_dequantized(node.input[other], scope)
                    found[node.op_type, "int8" if quantized else word] += 1
                    break
    return found


def _weight_precision(name: str, scope: Scope) -> str | None:
    """Precision of the constant behind a value; None where there is none."""
    import onnx

    types = onnx.TensorProto
    four = {types.INT4, types.UINT4}
    bits = None
    while name not in scope.constants:
        node = scope.producers.get(name)
        if node is None or not node.input:
            return None
        if node.op_type == "DequantizeLinear":
            bits = 8
        elif node.op_type == "QuantizeLinear":
            zero = scope.constants.get(node.input[2]) if len(node.input) > 2 else None
            kind = zero.data_type if zero is not None else attribute(node, "output_dtype", 0)
            bits = 4 if kind in four else 8
        elif node.op_type not in _MOVES:
            return None
        name = node.input[0]
    kind = scope.constants[name].data_type
    if bits is not None:
        return "w4a16" if bits == 4 or kind in four else "w8a16"
    return {types.FLOAT16: "fp16", types.BFLOAT16: "bf16"}.get(kind, "fp32")


def _is_dequantized(name: str, scope: Scope) -> bool:
    """Whether a value is a dequantized activation, moved about at most."""
    while (node := scope.producers.get(name)) is not None:
        if node.op_type == "DequantizeLinear":
            return True
        if node.op_type not in _CARRYING or not node.input:
            return False
        name = node.input[0]
    return False


def index_bounds(graph: onnx.GraphProto) -> dict[str, int]:
    """Rows of the smallest constant table that each graph input indexes."""
    entries = {value.name for value in graph.input}
    bounds: dict[str, int] = {}
    for node, scope in walk(graph):
        if node.op_type not in {"Gather", "GatherBlockQuantized"}:
            continue
        table, indices = node.input[0], node.input[1]
        while table not in scope.constants and (made := scope.producers.get(table)) is not None:
            if made.op_type not in {"DequantizeLinear", "Cast", "Identity", "QuantizeLinear"}:
                break
            table = made.input[0]
        while (made := scope.producers.get(indices)) is not None and made.op_type in _MOVES:
            indices = made.input[0]
        if table in scope.constants and indices in entries:
            dims = scope.constants[table].dims
            if dims:
                rows = dims[attribute(node, "axis", 0)]
                bounds[indices] = min(rows, bounds.get(indices, rows))
    return bounds


def flops(graph: onnx.GraphProto) -> int | None:
    """Multiply-adds count two; None where a shape that counts is not known."""
    total = 0
    shapes = _shapes(graph)
    try:
        for node, scope in walk(graph):
            total += _flops(node, shapes, scope)
    except (KeyError, IndexError):
        return None
    return total


def node_flops(
    graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, int | None]:
    """The same of each node of the outermost graph, by its name.

    Args:
        graph: its nodes have names.
        shapes: of its values, by name.
    """
    found: dict[str, int | None] = {}
    outermost = {node.name for node in graph.node}
    for node, scope in walk(graph):
        if node.name in outermost and node.name not in found:
            try:
                found[node.name] = _flops(node, shapes, scope)
            except (KeyError, IndexError):
                found[node.name] = None
    return found


def _flops(node: Any, shapes: Mapping[str, tuple[int, ...]], scope: Scope) -> int:
    def shape(index: int) -> tuple[int, ...]:
        name = node.input[index]
        constant = scope.constants.get(name)
        return shapes[name] if constant is None else tuple(constant.dims)

    def size() -> int:
        return math.prod(shapes[node.output[0]])

    match node.op_type:
        case "Conv" | "FusedConv" | "ConvInteger" | "QLinearConv" as kind:
            work = size() * math.prod(shape(3 if kind == "QLinearConv" else 1)[1:])
        case "ConvTranspose":
            work = math.prod(shape(0)) * math.prod(shape(1)[1:])
        case "Gemm" | "QGemm" | "FusedGemm":
            work = size() * shape(0)[0 if attribute(node, "transA", 0) else 1]
        case "MatMul" | "MatMulInteger" | "QLinearMatMul" | "FusedMatMul":
            work = size() * shape(0)[-1]
        case "MatMulNBits":
            work = math.prod(shape(0)) * attribute(node, "N", 0)
        case "LSTM" | "GRU" | "RNN":
            work = math.prod(shape(0)[:2]) * (math.prod(shape(1)) + math.prod(shape(2)))
        case "Attention" if not node.domain:
            work = 2 * math.prod(shape(0)) * shape(1)[-2]
        case _:
            work = 0
    return 2 * work


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Full shapes by value name."""
    values = [*graph.input, *graph.output, *graph.value_info]
    for node in graph.node:
        for item in node.attribute:
            if item.HasField("g"):
                values += [*item.g.input, *item.g.output, *item.g.value_info]
    known = {}
    for value in values:
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            known[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return known


def attribute(node: Any, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((int(item.i) for item in node.attribute if item.name == name), default)
