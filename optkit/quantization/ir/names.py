"""Names of an OpenVINO graph's operations, as the graph and as the source has them."""

from __future__ import annotations

import re
from typing import Any

_AUTOMATIC = re.compile(r"^[A-Z][A-Za-z0-9]*_\d+$")


def operations(model: Any) -> dict[str, tuple[str, str]]:
    """The type of each operation by its name, and its name in the source."""
    return {
        node.get_friendly_name(): (node.get_type_name(), _source_name(node))
        for node in model.get_ordered_ops()
        if node.get_type_name() not in {"Constant", "Parameter", "Result"}
    }


def _source_name(node: Any) -> str:
    """Without the frontend's ornaments: `__module.layer.0/aten::conv/Convolution` is `layer.0`.

    A fusion leaves a name of OpenVINO's own; then it is told by what comes behind.
    """
    name, reader = _plain(node), node
    while _AUTOMATIC.match(name) and reader.get_output_size():
        targets = list(reader.output(0).get_target_inputs())
        if not targets:
            return name
        reader = targets[0].get_node()
        if not _AUTOMATIC.match(_plain(reader)):
            return f"{node.get_type_name()} before {_plain(reader)}"
    return name


def _plain(node: Any) -> str:
    return str(node.get_friendly_name().removeprefix("__module.").partition("/aten::")[0])
