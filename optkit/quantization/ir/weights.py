"""Constant weights of an OpenVINO graph: found, read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.graphs.ir_core import shared_core

if TYPE_CHECKING:
    import numpy as np

_KEPT = frozenset({
    "Convert", "Reshape", "Transpose", "Multiply", "Subtract", "Unsqueeze", "Squeeze",
})  # fmt: skip


def is_constant(port: Any) -> bool:
    """Whether a tensor is made of constants alone."""
    node = port.get_node()
    if node.get_type_name() == "Constant":
        return True
    return node.get_type_name() in _KEPT and all(
        is_constant(value) for value in node.input_values()
    )


def read_constant(port: Any) -> np.ndarray:
    """The values behind a constant tensor, float32."""
    import numpy as np
    import openvino

    if port.get_node().get_type_name() == "Constant":
        return np.asarray(port.get_node().data, dtype=np.float32)
    network = openvino.Model([port], [], "weights").clone()
    compiled = shared_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([])[0], dtype=np.float32)


def int8_constant(weights: np.ndarray, scale: np.ndarray, name: str) -> Any:
    """Convert(int8) · scale, as the runtime takes it for weights in 8 bits.

    Args:
        weights: integers of −127 to 127.
        scale: float32, broadcast over the weights.
        name: of the constant.
    """
    import numpy as np
    import openvino
    from openvino import opset13

    stored = opset13.constant(weights.astype(np.int8), name=f"{name}/int8")
    widened = opset13.convert(stored, openvino.Type.f32, name=f"{name}/widened")
    return opset13.multiply(
        widened, opset13.constant(scale.astype(np.float32)), name=f"{name}/scaled"
    )
