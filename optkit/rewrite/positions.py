"""Which inputs an element-wise node reads position by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

_UNARY = frozenset(
    ("Abs", "BatchNormalization", "Celu", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid",
     "HardSwish", "Identity", "LeakyRelu", "Mish", "Neg", "Relu", "Selu", "Sigmoid", "Softplus",
     "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu")
)  # fmt: skip
_BROADCAST = frozenset(("Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum"))


def positional(node: ir.Node, dims: int) -> tuple[int, ...] | None:
    """The inputs that an element-wise node reads position by position; None for other nodes."""
    if node.domain not in {"", "ai.onnx"}:
        return None
    if node.op_type in _UNARY:
        if node.attributes.get_int("training_mode", 0) or more_than_one_output_used(node):
            return None
        return (0,)
    if node.op_type not in _BROADCAST:
        return None
    sizes = _sizes(node.outputs[0], dims)
    found = []
    for index, value in enumerate(node.inputs):
        own = _sizes(value, dims)
        if own is not None and all(size == 1 for size in own):
            continue  # the same for all positions
        if own is None or own != sizes:
            return None
        found.append(index)
    return tuple(found) or None


def _sizes(value: ir.Value | None, dims: int) -> tuple[object, ...] | None:
    """The last dimensions of a value; None where the graph does not tell each."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(size if isinstance(size, int) else size.value for size in value.shape)[-dims:]
    return None if None in sizes else sizes


def more_than_one_output_used(node: ir.Node) -> bool:
    """Whether anything but the first output is there."""
    return any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
