"""Fold constants of any size, within a bound on how far the constants may grow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optkit.rewrite.redundant import deterministic

if TYPE_CHECKING:
    import onnx_ir as ir

_KEPT = frozenset((
    "Constant",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "Identity",
    "QuantizeLinear",
))
"""What carries a constant on, or says in what precision it is to be computed with."""

_SLOW = frozenset(
    ("AveragePool", "Conv", "ConvTranspose", "DeformConv", "GRU", "GridSample", "LSTM", "MaxPool",
     "RNN", "Resize", "RoiAlign")
)  # fmt: skip
"""What the reference implementation takes minutes for."""


def constant_bytes(model: ir.Model) -> int:
    """Bytes of all the constants, in every graph."""
    return sum(tensor.nbytes for tensor in _tensors(model))


class NoRoomError(Exception):
    """Folding all that may be folded would take more bytes than there is room for."""


def fold(model: ir.Model, limit: int, room: int | None) -> str | None:
    """Fold nodes that read constants alone, however large; edits in place.

    Args:
        model: the model, its shapes inferred.
        limit: bytes above which no constant is made that takes more than what it replaces.
        room: bytes by which all the constants together may grow; None where no fold may add any.

    Returns:
        Why folding stopped early; None where it did not.

    Raises:
        NoRoomError: `room` does not do; the model is folded in part.
    """
    from onnx_ir.passes import common
    from onnxscript import optimizer

    if not any(reads_constants_alone(node) for node in model.graph.all_nodes()):
        return None

    def decide(node: ir.Node) -> bool | None:
        nonlocal room
        if node.op_type in _KEPT:
            return None
        made = output_bytes(node)
        if made is None or node.op_type in _SLOW or not deterministic(node):
            return False
        growth = made - _freed_bytes(node)
        if growth > 0:
            if made > limit or room is None:
                return False
            if growth > room:
                raise NoRoomError
            room -= growth
        return True

    try:
        optimizer.fold_constants(
            model, onnx_shape_inference=True, should_fold=decide,
            input_size_limit=sys.maxsize, output_size_limit=sys.maxsize,
        )  # fmt: skip
    except RuntimeError as error:
        common.NameFixPass()(model)
        return f"constant folding stopped: {str(error).splitlines()[0]}"
    return None


def reads_constants_alone(node: ir.Node) -> bool:
    """Whether a node could be folded, were its size no matter."""
    import onnx_ir as ir

    if not node.inputs or node.op_type in _KEPT or not deterministic(node):
        return False
    return all(
        value is None
        or (ir.convenience.get_const_tensor(value) is not None and not value.is_graph_input())
        for value in node.inputs
    )


def output_bytes(node: ir.Node) -> int | None:
    """Bytes of a node's one output; None where the graph does not tell, or has more of them."""
    if len(node.outputs) != 1:
        return None
    value = node.outputs[0]
    if value.dtype is None or value.shape is None or not value.shape.is_static():
        return None
    count = 1
    for size in value.shape.numpy():
        count *= size
    return int(count * value.dtype.itemsize)


def _freed_bytes(node: ir.Node) -> int:
    """Bytes of the constants that nobody but this node reads."""
    import onnx_ir as ir

    freed = 0
    for value in dict.fromkeys(node.inputs):
        if value is None or value.is_graph_output() or value.is_graph_input():
            continue
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is not None and all(use.node is node for use in value.uses()):
            freed += tensor.nbytes
    return freed


def _tensors(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    from onnx_ir import AttributeType

    for graph in (model.graph, *model.graph.subgraphs()):
        for value in graph.initializers.values():
            if value.const_value is not None:
                yield value.const_value
    for node in model.graph.all_nodes():
        for attribute in node.attributes.values():
            if attribute.type == AttributeType.TENSOR and not attribute.is_ref():
                yield attribute.as_tensor()
