"""Gates, and what came of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.tables import table

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.text import Text

_UNDECIDED = {
    "too noisy": "its interval holds the bound; measure longer, benchmark.seconds, or elsewhere",
    "not comparable": "",
}


def print_missed(gates: Sequence[Mapping[str, Any]]) -> None:
    """A line on standard error for each gate that was missed: what even quiet users need."""
    for gate in gates:
        if not gate["held"]:
            sys.stderr.write(f"{missed(gate)}\n")


def missed(gate: Mapping[str, Any]) -> str:
    """A gate that was missed, in a line."""
    about = f"{gate['artifact']}: gate {gate['name']} missed"
    return f"{about}: {_measured(gate)}, bound {_bound(gate)}"


def print_gates(rich: Rich, gates: Sequence[Mapping[str, Any]]) -> None:
    """Every gate with its verdict, and what there is to say of one beside it.

    Of several artifacts, each gate tells its own.
    """
    heads: tuple[str, ...] = ("gate", "measured", "bound", "")
    rows: list[tuple[Any, ...]] = [
        (gate["name"], _measured(gate), _bound(gate), _mark(gate)) for gate in gates
    ]
    if len({gate.get("artifact") for gate in gates}) > 1:  # `validate` tells of one, unnamed
        heads = ("artifact", *heads)
        rows = [(gate["artifact"], *row) for gate, row in zip(gates, rows, strict=True)]
    table(rich, heads, rows, whole=heads[:-3])
    for gate in gates:
        if line := _remark(gate):
            rich.print(line, markup=False)


def _mark(gate: Mapping[str, Any]) -> Text:
    from rich.text import Text

    verdict = gate.get("verdict", "held" if gate["held"] else "missed")
    if verdict in _UNDECIDED:
        return (
            Text(f"{verdict}, not gated", "yellow") if gate["held"] else Text(verdict, "bold red")
        )
    return Text(verdict, "green" if gate["held"] else "bold red")


def _remark(gate: Mapping[str, Any]) -> str:
    """What has to be said of a gate beside its verdict."""
    verdict, note = gate.get("verdict"), gate.get("note", "")
    if verdict in _UNDECIDED:
        return f"{gate['name']}: {verdict}: {_UNDECIDED[verdict] or note}"
    if gate.get("better"):
        return (
            f"{gate['name']}: better than the baseline by more than its bound lets it be worse: "
            "raise it with optkit baseline update"
        )
    if "calm" in gate:
        value, low, high = map(_figure, gate["calm"])
        return (
            f"{gate['name']}: the machine is busy; its least disturbed samples decide: a ratio of "
            f"{value} ({low} to {high})"
        )
    return f"{gate['name']}: {note}" if note and not gate["held"] else ""


def _measured(gate: Mapping[str, Any]) -> str:
    value = gate["value"]
    if value is None:
        return "not measured"
    text = value if isinstance(value, str) else _figure(value)
    if "ci95" in gate:
        text += f" ({' to '.join(map(_figure, gate['ci95']))})"
    return f"{text} on {gate['at']}" if gate.get("at") else text


def _bound(gate: Mapping[str, Any]) -> str:
    """The bound, and how the figure moved from the baseline."""
    if "baseline" not in gate:
        return str(gate["bound"])
    told = f"{gate['bound']} from {_figure(gate['baseline'])}"
    change = gate.get("change")
    if change is None or not gate["baseline"]:
        return told
    low, high = (_percent(end) for end in change["ci95"])
    return f"{told}: {_percent(change['value'])}" + (f" ({low} to {high})" if low != high else "")


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1) or 0.0:+.1f} %"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) < 1e9 and value == round(value) else f"{value:.4g}"
