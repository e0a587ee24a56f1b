"""The gates: what was measured, what it was held against, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from optkit.report.tables import Table, Told, Tone
from optkit.report.words import figure

Row = Mapping[str, Any]
Standing = Literal["held", "missed", "too noisy"]

TONES: Mapping[Standing, Tone] = {"held": "good", "missed": "bad", "too noisy": "note"}


def standing(gate: Row) -> Standing:
    """Whether a gate held, was missed, or could not be told for noise."""
    if gate.get("verdict") == "too noisy":
        return "too noisy"
    return "held" if gate["held"] else "missed"


def table(run: Row) -> Table:
    """Every gate, those that were missed first."""
    rows = sorted(run["gates"], key=lambda gate: standing(gate) == "held")
    return Table(
        "Gates",
        ("gate", "model", "measured", "bound", "verdict"),
        [
            (
                gate["name"],
                gate["artifact"],
                figure(gate["value"]),
                str(gate["bound"]),
                Told(standing(gate), TONES[standing(gate)]),
            )
            for gate in rows
        ],
    )


def sentence(gate: Row) -> str:
    """A gate in one line, as a failure is told."""
    return f"{gate['name']} of {gate['artifact']}: {figure(gate['value'])}, bound {gate['bound']}"
