"""The shapes of an ONNX graph's values, as far as they can be told."""

from __future__ import annotations

import math
from typing import Any

_FEW = 1024
"""Values of a tensor that may give a shape."""


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The dimensions of each value whose rank is known; 1 stands for those that are open.

    Args:
        model: an `onnx.ModelProto`.
    """
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(model)
    for tensor in light.graph.initializer:  # inference carries all values, and reads those of few
        if math.prod(tensor.dims) > _FEW:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    try:
        graph = onnx.shape_inference.infer_shapes(light).graph
    except (onnx.shape_inference.InferenceError, ValueError):  # too large, or nothing it knows
        graph = model.graph
    return {
        value.name: tuple(max(size.dim_value, 1) for size in value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
        if value.type.tensor_type.HasField("shape")
    }
