"""Where the values of an OpenVINO node end by what it is."""

from __future__ import annotations

from typing import Any

from optkit.quantization.ends import ENDS, NOWHERE


def ends_of(node: Any) -> tuple[float, float]:
    """What the values that a node gives never go beyond."""
    if node.get_type_name() != "Clamp":
        return ENDS.get(node.get_type_name(), NOWHERE)
    given = node.get_attributes()
    return float(given["min"]), float(given["max"])
