"""What is told of every candidate, and which one is picked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optkit.core.settings import chosen
from optkit.core.stats import ALIKE
from optkit.tune.fidelity import Fidelity
from optkit.tune.front import axes, front
from optkit.tune.measuring import timed, undisturbed
from optkit.tune.race import REACH
from optkit.tune.space import Candidate
from optkit.tune.standing import Standing

Row = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """All that is known of a candidate.

    Attributes:
        candidate: the model and how it is run.
        fidelity: how near it stays to the source.
        standing: how the search ended for it; None where its fidelity kept it out.
        row: its last measurement.
    """

    candidate: Candidate
    fidelity: Fidelity
    standing: Standing | None = None
    row: Row | None = None


def rows_of(entries: Sequence[Entry], objective: str) -> tuple[list[Row], str | None]:
    """A row for each candidate, the best first, and the name of the pick.

    The pick is the best of those that held out; `alike` are those that cannot be told from it.
    """
    held = [one for one in entries if one.standing and one.standing.status == "held"]
    held.sort(key=lambda one: -one.standing.value if one.standing else 0)
    pick = held[0] if held else None
    rows = [_row(one, pick, objective) for one in entries]
    on_front = front({
        row["name"]: axes(**row["undisturbed"], size_bytes=row["size_bytes"],
                          fidelity=row["fidelity"])
        for row in rows
        if row["undisturbed"]
    })  # fmt: skip
    order = {one.candidate.name: -one.standing.value if one.standing else 1.0 for one in entries}
    rows.sort(key=lambda row: (row["status"] != "picked", -(row["rung"] or 0), order[row["name"]]))
    told = [{**row, "on_front": row["name"] in on_front} for row in rows]
    return told, pick.candidate.name if pick else None


def _row(one: Entry, pick: Entry | None, objective: str) -> Row:
    candidate, standing, row = one.candidate, one.standing, one.row
    artifact = candidate.variant.artifact
    assert artifact is not None
    status, reason = _end(one, pick, objective)
    figures = timed(row) if row and "error" not in row else None
    over = standing.over if standing else None
    return {
        "name": candidate.name,
        "variant": candidate.variant.word,
        "runtime": candidate.variant.runtime,
        "device": candidate.settings.device,
        "settings": chosen(candidate.settings),
        "rung": standing.rung if standing else None,
        "latency_ms": figures
        and {word: figures[f"latency_{word}_ms"] for word in ("p50", "p90", "p95", "p99")},
        "throughput_per_s": figures and figures["throughput_per_s"],
        "undisturbed": undisturbed(row) if row and figures else None,
        "size_bytes": artifact.bytes,
        "fidelity": dict(one.fidelity.figures),
        "speedup_vs_source": over and {"value": over[0], "ci95": list(over[1:])},
        "status": status,
        "reason": reason,
        "excess": _excess(one),
    }


def _excess(one: Entry) -> dict[str, float]:
    """Each bound that is missed, with how far."""
    found = dict(one.fidelity.excess or {})
    if one.standing:
        found |= one.standing.sample.excess
    return {name: value for name, value in found.items() if value > 1}


def _end(one: Entry, pick: Entry | None, objective: str) -> tuple[str, str | None]:
    """How the search ended for a candidate, and why."""
    standing = one.standing
    if standing is None:
        return "missed", one.fidelity.missed
    where = f"in rung {standing.rung}"
    missed = ", ".join(name for name, value in standing.sample.excess.items() if value > 1)
    far = f"its plain settings are more than {REACH:g}x behind {standing.against}"
    ends = {
        "failed": ("failed", standing.sample.error),
        "missed": ("missed", f"{missed} {where}"),
        "slower": ("slower", f"than {standing.against} {where}"),
        "far": ("not tried", far),
        "same": ("same", f"its settings come to those of {standing.against}"),
        "unable": ("not tried", f"{standing.against} does not run"),
    }
    return ends.get(standing.status) or _held(one, pick, standing, objective)


def _held(
    one: Entry, pick: Entry | None, standing: Standing, objective: str
) -> tuple[str, str | None]:
    """What is said of those that were measured to the end."""
    if pick is None or pick.standing is None or one is pick:
        return "picked", None
    behind = pick.standing.value / standing.value
    if standing.high >= pick.standing.low and behind < ALIKE:
        return "alike", f"within the noise of the pick: {behind:.2f}x behind"
    return "held", f"{behind:.2f}x behind the pick in {objective}"
