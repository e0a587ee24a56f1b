"""ONNX operations in torch: functions from attributes and inputs to what the operation gives."""

from __future__ import annotations

from optkit.pruning.onnx.given import Operation
from optkit.pruning.onnx.layers import LAYERS
from optkit.pruning.onnx.moves import MOVES
from optkit.pruning.onnx.pointwise import POINTWISE

OPERATIONS: dict[str, Operation] = {**LAYERS, **MOVES, **POINTWISE}
"""By operation; where its inputs are tensors. Those on shapes are in `shapes`."""
