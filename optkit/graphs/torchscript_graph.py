"""Reads facts out of a frozen, inlined TorchScript graph; its nodes and values are torch._C's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from optkit.graphs.torch_outputs import SINGLE, child

_CONVOLUTIONS = frozenset({
    "aten::_convolution", "aten::convolution", "aten::conv1d", "aten::conv2d", "aten::conv3d",
    "aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d",
})  # fmt: skip
_PRODUCTS = frozenset({
    "aten::linear", "aten::matmul", "aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm",
})  # fmt: skip
_RECURRENT = frozenset({"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"})
_QUANTIZED = ("quantized::conv", "quantized::linear")

INDEX_MOVES = frozenset({
    "aten::to", "aten::type_as", "aten::_cast_Long", "aten::_cast_Int", "aten::long", "aten::int",
    "aten::view", "aten::reshape", "aten::flatten", "aten::unsqueeze", "aten::squeeze",
    "aten::slice", "aten::select", "aten::expand", "aten::transpose", "aten::permute", "aten::t",
    "aten::contiguous", "aten::clone", "aten::detach", "prim::unchecked_cast",
})  # fmt: skip
_WEIGHT_MOVES = INDEX_MOVES | {"aten::dequantize", "aten::float", "aten::half"}
_SHAPE_KEEPING = frozenset({
    "aten::to", "aten::float", "aten::half", "aten::long", "aten::contiguous", "aten::clone",
    "aten::detach", "aten::relu", "aten::tanh", "aten::sigmoid", "aten::gelu", "aten::dropout",
    "aten::mul", "aten::add", "aten::sub", "aten::div", "aten::neg", "aten::clamp", "aten::abs",
    "prim::unchecked_cast",
})  # fmt: skip


def nodes(block: Any) -> Iterator[Any]:
    """Every node of a graph or block, those of nested blocks included."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from nodes(inner)


def operations(graph: Any) -> Counter[str]:
    """How often each operation that gives tensors occurs; `aten` overloads are one."""
    return Counter(
        _type(node)
        for node in nodes(graph)
        if not node.kind().startswith("prim::") and any(map(_holds_tensors, node.outputs()))
    )


def _type(node: Any) -> str:
    """An operation's name, without `aten`."""
    return str(node.kind()).removeprefix("aten::").replace("::", ".")


def constants(graph: Any) -> int:
    """Float values in constants of more than one element; a shared one counts once."""
    found = {}
    for node in nodes(graph):
        tensor = _constant(node.output()) if node.kind() == "prim::Constant" else None
        if tensor is not None and tensor.is_floating_point() and tensor.numel() > 1:
            found[tensor.data_ptr()] = tensor.numel()
    return sum(found.values())


def recurs(graph: Any) -> bool:
    """Whether a recurrent layer occurs, whose work torch's counter does not see."""
    return any(node.kind() in _RECURRENT for node in nodes(graph))


def weighted(graph: Any) -> Counter[tuple[str, str]]:
    """Operations that carry weights, by type and precision."""
    found: Counter[tuple[str, str]] = Counter()
    for node in nodes(graph):
        if node.kind().startswith(_QUANTIZED):
            found[_type(node), "int8"] += 1
        elif (weight := weight_of(node)) is not None:
            word = _WORDS.get(str(weight.dtype).removeprefix("torch."), "fp32")
            found[_type(node), word] += 1
    return found


_WORDS = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "int8": "w8a16",
    "uint8": "w8a16",
    "qint8": "w8a16",
}


def weight_of(node: Any) -> Any:
    """The weight tensor that a convolution, product or recurrent node carries, or None."""
    kind, inputs = node.kind(), list(node.inputs())
    if kind in _CONVOLUTIONS:
        return _weight(inputs[1])
    if kind in _PRODUCTS:
        operands = inputs[1:3] if kind in {"aten::addmm", "aten::baddbmm"} else inputs[:2]
        return next((w for w in map(_weight, reversed(operands)) if w is not None), None)
    if kind in _RECURRENT:
        weights = (weight for value in inputs[1:] for weight in _listed(value))
        return next((w for w in weights if w is not None and w.dim() == 2), None)
    return None


def index_bounds(graph: Any) -> dict[str, int]:
    """Rows of the smallest table that each graph input indexes, by the input's debug name."""
    entries = {value.debugName() for value in graph.inputs()}
    bounds: dict[str, int] = {}
    for node in nodes(graph):
        if node.kind() not in {"aten::embedding", "aten::embedding_bag", "aten::index_select"}:
            continue
        inputs = list(node.inputs())
        axis = inputs[1].toIValue() if node.kind() == "aten::index_select" else 0
        table = _weight(inputs[0])
        indices = inputs[2 if node.kind() == "aten::index_select" else 1]
        source = origin(indices, INDEX_MOVES, {}).debugName()
        if table is not None and axis is not None and source in entries:
            rows = table.shape[axis]
            bounds[source] = min(rows, bounds.get(source, rows))
    return bounds


def origin(value: Any, moves: frozenset[str], carried: dict[str, Any]) -> Any:
    """Where a value comes from, through `moves` along first inputs, and as `carried` tells."""
    seen = set()
    while value.debugName() not in seen:
        seen.add(value.debugName())
        if value.debugName() in carried:
            value = carried[value.debugName()]
        elif value.node().kind() in moves:
            value = next(iter(value.node().inputs()))
    return value


def implied(graph: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """A shape and dtype for each graph input that a layer with weights reads, by debug name."""
    carried = _carried(graph)
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for node in nodes(graph):
        guess = _guess(node)
        if guess is not None:
            position, shape, dtype = guess
            read = list(node.inputs())[position]
            found.setdefault(origin(read, _SHAPE_KEEPING, carried).debugName(), (shape, dtype))
    entries = {value.debugName() for value in graph.inputs()}
    return {name: guess for name, guess in found.items() if name in entries}


def _carried(graph: Any) -> dict[str, Any]:
    """Where a loop's own values start, and what a branch gives when its condition fails."""
    found: dict[str, Any] = {}
    for node in nodes(graph):
        blocks = list(node.blocks())
        if node.kind() == "prim::Loop":
            pairs = zip(list(blocks[0].inputs())[1:], list(node.inputs())[2:], strict=True)
        elif node.kind() == "prim::If":
            pairs = zip(node.outputs(), blocks[1].outputs(), strict=True)
        else:
            continue
        found |= {to.debugName(): value for to, value in pairs}
    return found


def _guess(node: Any) -> tuple[int, tuple[int, ...], str] | None:
    """Which input of a layer reads data, and a shape and dtype that it takes."""
    kind, inputs = node.kind(), list(node.inputs())
    if kind == "aten::embedding":
        return 1, (1, 16), "int64"
    weight = weight_of(node)
    if weight is None:
        return None
    dtype = str(weight.dtype).removeprefix("torch.")
    if kind in _CONVOLUTIONS:
        general = kind in {"aten::_convolution", "aten::convolution"}
        transposed = inputs[6].toIValue() if general else "transpose" in kind
        groups = inputs[8 if general else (7 if transposed else 6)].toIValue()
        channels = weight.shape[0] if transposed else weight.shape[1] * (groups or 1)
        return 0, (1, channels, *(224,) * (weight.dim() - 2)), dtype
    if kind in _RECURRENT:
        return 0, (1, 16, weight.shape[1]), dtype
    if kind == "aten::linear":
        return 0, (1, weight.shape[1]), dtype
    return (1 if "add" in kind else 0), (1, weight.shape[0]), dtype


def output_names(graph: Any) -> list[str] | None:
    """Names of what the graph returns, as `flatten` has them; None where only a run shows them."""
    (result,) = graph.outputs()
    try:
        return list(_names(result, ""))
    except LookupError:
        return None


def _names(value: Any, prefix: str) -> Iterator[str]:
    kind, node = value.type().kind(), value.node()
    if kind == "TensorType":
        yield prefix or SINGLE
    elif node.kind() in {"prim::TupleConstruct", "prim::ListConstruct"}:
        for index, item in enumerate(node.inputs()):
            yield from _names(item, child(prefix, index, numbered=True))
    elif node.kind() == "prim::DictConstruct":
        items = list(node.inputs())
        for key, item in zip(items[::2], items[1::2], strict=True):
            if key.toIValue() is None:
                raise LookupError(key.debugName())
            yield from _names(item, child(prefix, key.toIValue(), numbered=False))
    elif kind == "TupleType" and all(e.kind() == "TensorType" for e in value.type().elements()):
        for index in range(len(value.type().elements())):
            yield child(prefix, index, numbered=True)
    elif kind != "NoneType":
        raise LookupError(kind)


def _holds_tensors(value: Any) -> bool:
    return "Tensor" in str(value.type())


def _weight(value: Any) -> Any:
    return _constant(origin(value, _WEIGHT_MOVES, {}))


def _listed(value: Any) -> list[Any]:
    """The tensors of a list, made in the graph or folded into a constant."""
    if value.node().kind() == "prim::ListConstruct":
        return [_weight(item) for item in value.node().inputs()]
    folded = value.toIValue() if value.type().kind() == "ListType" else None
    return [item for item in folded or () if hasattr(item, "dim")]


def _constant(value: Any) -> Any:
    """The tensor of a constant value, or None."""
    if value.node().kind() != "prim::Constant" or value.type().kind() != "TensorType":
        return None
    return value.toIValue()
