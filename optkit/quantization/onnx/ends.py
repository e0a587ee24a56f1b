"""Where the values of an ONNX node end by what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.quantization.ends import ENDS, NOWHERE


def ends_of(node: Any, fixed: Mapping[str, Any]) -> tuple[float, float]:
    """What the values that a node gives never go beyond.

    Args:
        node: a `NodeProto`; None for what the graph is given.
        fixed: constant tensors by name.
    """
    from onnx.numpy_helper import to_array

    if node is None or node.op_type != "Clip":
        return NOWHERE if node is None else ENDS.get(node.op_type, NOWHERE)
    named = {item.name: item.f for item in node.attribute}  # up to opset 10; inputs since then
    ends = [named.get("min", NOWHERE[0]), named.get("max", NOWHERE[1])]
    for place, name in enumerate(node.input[1:3]):
        if name in fixed:
            ends[place] = float(to_array(fixed[name]))
    return ends[0], ends[1]
