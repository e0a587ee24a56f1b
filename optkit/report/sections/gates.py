"""The gates: what was measured, what it was held against, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Cell, Table, Told, Tone
from optkit.report.words import figure

Row = Mapping[str, Any]

UNDECIDED = {
    "too noisy": "its interval holds the bound: measure longer, or on a quieter machine",
    "not comparable": "",
}
"""Verdicts that are neither good nor bad, with what to say of them where the run says nothing."""


def standing(gate: Row) -> str:
    """Held, missed, too noisy or not comparable."""
    return str(gate.get("verdict") or ("held" if gate["held"] else "missed"))


def undecided(gate: Row) -> bool:
    """Whether the gate could not be told, and was not held against the run for that."""
    return bool(gate["held"]) and standing(gate) in UNDECIDED


def table(run: Row) -> Table:
    """Every gate, those that were not held first."""
    rows = sorted(run["gates"], key=lambda gate: (gate["held"], not undecided(gate)))
    return Table(
        "Gates",
        ("gate", "model", "measured", "bound", "verdict"),
        [
            (gate["name"], gate["artifact"], measured(gate), bound(gate), told(gate))
            for gate in rows
        ],
    )


def told(gate: Row) -> Cell:
    """How a gate stands, and what is to be said of it."""
    tone: Tone = "note" if undecided(gate) else "good" if gate["held"] else "bad"
    word = Told(f"{standing(gate)}, not gated" if undecided(gate) else standing(gate), tone)
    return (word, Told(remark(gate))) if remark(gate) else word


def remark(gate: Row) -> str:
    """Why it could not be told, or that the baseline is to be raised; nothing otherwise."""
    if standing(gate) in UNDECIDED:
        return UNDECIDED[standing(gate)] or str(gate.get("note", ""))
    if gate.get("better"):
        return "better than the baseline by more than the bound: optkit baseline update"
    return str(gate.get("note", "")) if not gate["held"] else ""


def measured(gate: Row) -> str:
    """The figure with its interval, and on what device it decided."""
    text = figure(gate["value"])
    if "ci95" in gate:
        text += f" ({' to '.join(map(figure, gate['ci95']))})"
    return f"{text} on {gate['at']}" if gate.get("at") else text


def bound(gate: Row) -> str:
    """The bound; of one on a change, what it is from and how the figure moved."""
    text = str(gate["bound"])
    if "baseline" not in gate:
        return text
    text += f" from {figure(gate['baseline'])}"
    change = gate.get("change")
    if not change or not gate["baseline"]:
        return text
    low, high = map(_percent, change["ci95"])
    return f"{text}: {_percent(change['value'])}" + (f" ({low} to {high})" if low != high else "")


def sentence(gate: Row) -> str:
    """A gate in one line, as a failure is told."""
    more = f"; {remark(gate)}" if remark(gate) else ""
    return f"{gate['name']} of {gate['artifact']}: {measured(gate)}, bound {bound(gate)}{more}"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %".replace("-", "−")
