"""In which precision the weights of an optimized ONNX graph are computed with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_FLOAT = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"})
_INTEGER = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeMatMul",
    "QAttention",
)
_FLOATS = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}
_BY_WAY_OF = frozenset({"DequantizeLinear", "Cast", "Transpose", "Reshape", "Identity"})


def executed(graph: Any) -> dict[str, int]:
    """Nodes that read a constant weight, those of nested graphs too, by precision."""
    dtypes = {tensor.name: tensor.data_type for tensor in graph.initializer}
    counts: Counter[str] = Counter()
    _count(graph, dtypes, counts)
    return dict(counts)


def node_precisions(graph: Any) -> dict[str, str]:
    """The same by the names of the nodes, without those of nested graphs."""
    dtypes = {tensor.name: tensor.data_type for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        types = [_constant_type(name, dtypes, makers) for name in node.input]
        precision = _precision(node, [kept for kept in types if kept is not None])
        if precision is not None:
            found[node.name] = precision
    return found


def _count(graph: Any, dtypes: Mapping[str, int], counts: Counter[str]) -> None:
    """Count the nodes that read a constant weight, those of nested graphs too."""
    import onnx

    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        types = [_constant_type(name, dtypes, makers) for name in node.input]
        precision = _precision(node, [kept for kept in types if kept is not None])
        if precision is not None:
            counts[precision] += 1
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                inner = {tensor.name: tensor.data_type for tensor in attribute.g.initializer}
                _count(attribute.g, {**dtypes, **inner}, counts)


def _precision(node: Any, constants: list[int]) -> str | None:
    """What a node that reads constants of these types computes in; None where it has no weights."""
    kind = node.op_type.removeprefix("Fused")
    if kind == "MatMulNBits":
        return f"w{next((a.i for a in node.attribute if a.name == 'bits'), 4)}a16"
    if kind.startswith(_INTEGER) and constants:
        return "int8"
    floats = [_FLOATS[kept] for kept in constants if kept in _FLOATS]
    return floats[0] if kind in _FLOAT and floats else None


def _constant_type(name: str, dtypes: Mapping[str, int], makers: Mapping[str, Any]) -> int | None:
    """The element type in which a constant reaches its reader; None for what is computed."""
    if name in dtypes or name not in makers:
        return dtypes.get(name)
    node = makers[name]
    if node.op_type == "Constant":
        return next((a.t.data_type for a in node.attribute if a.name == "value"), None)
    if node.op_type not in _BY_WAY_OF or _constant_type(node.input[0], dtypes, makers) is None:
        return None
    if node.op_type == "Cast":
        return next(int(a.i) for a in node.attribute if a.name == "to")
    source = node.input[1 if node.op_type == "DequantizeLinear" else 0]
    return _constant_type(source, dtypes, makers)
