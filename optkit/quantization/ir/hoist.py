"""Moves ranges above what only moves values about, so that it runs on integers too."""

from __future__ import annotations

from typing import Any

from optkit.quantization.ir.weights import is_constant

# What gives of integers what it gives of the numbers they stand for.
MOVES = frozenset({
    "MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "StridedSlice", "Slice", "Tile",
})  # fmt: skip

Reading = tuple[str, int]


def hoist(nodes: list[Any], wanted: dict[Reading, None]) -> dict[Reading, str]:
    """Move what is wanted above moves and concatenations all of whose readers want it.

    Returns:
        The readings that share a range, by the concatenation that they share.
    """
    groups: dict[Reading, str] = {}
    for node in reversed(nodes):
        kind = node.get_type_name()
        if kind not in MOVES | {"Concat"}:
            continue
        targets = [port for output in node.outputs() for port in output.get_target_inputs()]
        readings = [(port.get_node().get_friendly_name(), port.get_index()) for port in targets]
        above = node.input_values() if kind == "Concat" else node.input_values()[:1]
        if not readings or any(reading not in wanted for reading in readings):
            continue
        if any(is_constant(value) or not is_float(value.get_node()) for value in above):
            continue
        name = node.get_friendly_name()
        shared = next((groups[reading] for reading in readings if reading in groups), None)
        if kind == "Concat":
            shared = shared or name
        for reading in readings:
            del wanted[reading]
        for place in range(len(above)):
            wanted[name, place] = None
            if shared is not None:
                groups[name, place] = shared
    return groups


def is_float(node: Any) -> bool:
    """Whether a node gives floating point."""
    return bool(node.get_output_size() > 0 and node.output(0).get_element_type().is_real())
