"""Whether a baseline is of this model, and of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.machine import machine
from optkit.engine.baseline.document import Baseline


def require_same_model(baseline: Baseline, source: Artifact) -> None:
    """Refuse a baseline of another model.

    A model is known by the name of its file, without what follows the dot, and by its inputs and
    outputs: both outlive a new training, and a change of format.

    Raises:
        OptkitError: it is another (bad input).
    """
    ours = {
        "name": source.path.stem,
        "inputs": [str(spec) for spec in source.signature.inputs],
        "outputs": [str(spec) for spec in source.signature.outputs],
    }
    known: Mapping[str, Any] = baseline.content["model"]
    parts = [
        f"{key} {_told(known[key])}, here {_told(value)}"
        for key, value in ours.items()
        if known[key] != value
    ]
    if parts:
        raise bad_input(
            f"the baseline {baseline.path} is of another model: {'; '.join(parts)}",
            "name this model's own, or write it: optkit baseline update RECIPE -o FILE",
        )


def elsewhere(baseline: Baseline) -> str:
    """How the baseline's machine differs from this one; empty where it does not."""
    known, here = baseline.content["machine"], machine()
    for key, word in (("cpu", "processor"), ("cores", "cores"), ("isa", "instruction sets")):
        if known.get(key) != here[key]:
            return f"measured on another machine ({word}: {_told(known.get(key))})"
    return ""


def _told(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
