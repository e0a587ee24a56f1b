"""Tells a transformer: attention, written out or by name."""

from __future__ import annotations

from typing import Any


def has_attention(model: Any) -> bool:
    """Whether a softmax is multiplied with a matrix, or an operation is attention by name.

    Args:
        model: an `openvino.Model` or `onnx.ModelProto`.
    """
    return _in_ir(model) if hasattr(model, "get_ops") else _in_onnx(model)


def _in_ir(model: Any) -> bool:
    def feeds_matmul(node: Any) -> bool:
        users = [port.get_node() for out in node.outputs() for port in out.get_target_inputs()]
        return "MatMul" in {user.get_type_name() for user in users}

    return any(
        op.get_type_name() == "ScaledDotProductAttention"
        or (op.get_type_name() == "Softmax" and feeds_matmul(op))
        for op in model.get_ops()
    )


def _in_onnx(model: Any) -> bool:
    matmul_inputs = {
        name for node in model.graph.node if node.op_type == "MatMul" for name in node.input
    }
    return any(
        node.op_type == "Attention"
        or (node.op_type == "Softmax" and not matmul_inputs.isdisjoint(node.output))
        for node in model.graph.node
    )
