"""Reads facts out of an ExportedProgram's graph; its nodes are torch.fx's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

_CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "convolution"})
_TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
_PRODUCTS = frozenset({"linear", "matmul", "mm", "bmm", "addmm", "baddbmm"})
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
_MOVES = frozenset({
    "to", "_to_copy", "type_as", "view", "_unsafe_view", "reshape", "flatten", "unsqueeze",
    "squeeze", "slice", "select", "expand", "transpose", "permute", "t", "contiguous", "clone",
    "alias", "detach", "numpy_T", "lift_fresh_copy",
})  # fmt: skip
_WORDS = {"float16": "fp16", "bfloat16": "bf16", "int8": "w8a16", "uint8": "w8a16"}


def operation(node: Any) -> str | None:
    """An operator's name, without `aten` and overload; None for a node that gives no tensors."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return None
    if not any("Tensor" in str(result.type) for result in schema.returns):
        return None
    return str(schema.name).removeprefix("aten::").replace("::", ".")


def operations(graph: Any) -> Counter[str]:
    """How often each operation that gives tensors occurs."""
    return Counter(name for node in graph.nodes if (name := operation(node)) is not None)


def weighted(graph: Any, weights: frozenset[str]) -> Counter[tuple[str, str]]:
    """Operations that carry weights, by type and precision.

    Args:
        graph: the program's.
        weights: names of the placeholders that stand for weights.
    """
    found: Counter[tuple[str, str]] = Counter()
    for node in graph.nodes:
        operands = _operands(node)
        for operand, other in zip(operands, reversed(operands), strict=True):
            source, quantized = _origin(operand)
            if source.name not in weights:
                continue
            word = _WORDS.get(str(source.meta["val"].dtype).removeprefix("torch."), "fp32")
            both = quantized and (other is operand or _origin(other)[1])
            word = "int8" if both and word in {"w8a16", "fp32"} else word
            found[operation(node) or str(node.target), word] += 1
            break
    return found


def index_bounds(graph: Any, weights: frozenset[str]) -> dict[str, int]:
    """Rows of the smallest table that each placeholder indexes, by the placeholder's name."""
    bounds: dict[str, int] = {}
    for node in graph.nodes:
        name = operation(node)
        if name not in {"embedding", "embedding_bag", "index_select"}:
            continue
        table, _ = _origin(node.args[0])
        axis = node.args[1] if name == "index_select" else 0
        source, _ = _origin(node.args[2 if name == "index_select" else 1])
        if table.name in weights and source.op == "placeholder":
            rows = int(node.args[0].meta["val"].shape[axis])
            bounds[source.name] = min(rows, bounds.get(source.name, rows))
    return bounds


def flops(graph: Any) -> int | None:
    """Multiply-adds count two; symbolic sizes count as 1. None where a size is not known."""
    total = 0
    try:
        for node in graph.nodes:
            total += _flops(node, operation(node))
    except (KeyError, AttributeError, TypeError, ValueError):
        return None
    return total


def _flops(node: Any, name: str | None) -> int:
    if name in _CONVOLUTIONS and not (name == "convolution" and node.args[6]):
        return 2 * math.prod(_sizes(node)) * math.prod(_sizes(node.args[1])[1:])
    if name in _TRANSPOSED or name == "convolution":
        return 2 * math.prod(_sizes(node.args[0])) * math.prod(_sizes(node.args[1])[1:])
    if name in _PRODUCTS:
        left = node.args[1] if name in {"addmm", "baddbmm"} else node.args[0]
        return 2 * math.prod(_sizes(node)) * _sizes(left)[-1]
    if name == "scaled_dot_product_attention":
        query, key, value = (_sizes(argument) for argument in node.args[:3])
        return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if name in _RECURRENT:
        weights = [_sizes(item) for part in node.args if _is_list(part) for item in part]
        per_step = sum(math.prod(shape) for shape in weights if len(shape) == 2)
        return 2 * math.prod(_sizes(node.args[0])[:-1]) * per_step
    return 0


def _sizes(node: Any) -> tuple[int, ...]:
    return tuple(_size(dim) for dim in node.meta["val"].shape)


def _size(dim: Any) -> int:
    if isinstance(dim, int):
        return dim
    expression = dim.node.expr
    return max(1, int(expression.subs(dict.fromkeys(expression.free_symbols, 1))))


def _operands(node: Any) -> list[Any]:
    """The tensors that a product multiplies, the weight's usual place first."""
    name = operation(node)
    if name in _CONVOLUTIONS | _TRANSPOSED or name == "linear":
        return [node.args[1], node.args[0]]
    if name in _PRODUCTS:
        left, right = node.args[1:3] if name in {"addmm", "baddbmm"} else node.args[:2]
        return [right, left]
    if name in _RECURRENT:
        return [next(part for part in node.args[2:] if _is_list(part))[0]]
    return []


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and hasattr(value[0], "meta")


def _origin(node: Any) -> tuple[Any, bool]:
    """Where a tensor comes from through moves, and whether it was dequantized on the way."""
    quantized = False
    for step in _upwards(node):
        node = step
        name = operation(node) or ""
        quantized = quantized or "dequantize" in name
    return node, quantized


def _upwards(node: Any) -> Iterator[Any]:
    yield node
    while node.op == "call_function" and node.args and hasattr(node.args[0], "op"):
        name = operation(node)
        if name not in _MOVES and "quantize" not in (name or ""):
            return
        node = node.args[0]
        yield node
