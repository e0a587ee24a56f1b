"""Says in a sentence or two why one candidate was picked, or why none could be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optkit.recipe.gates import Bound
from optkit.recipe.tuning import STATIC

Row = Mapping[str, Any]

_LEFT = {
    "missed": "too far from the source",
    "failed": "that do not run",
    "same": "the same as others under another name",
    "not tried": "not tried as their family is far behind or does not run",
    "not made": "that cannot be made",
}
_BEST = {"latency": "the fastest answer", "throughput": "the most inputs per second"}


def explain(
    rows: Sequence[Row], pick: str | None, objective: str, bounds: Mapping[str, Bound]
) -> str:
    """Why it was picked, what comes next, and what became of the others.

    Args:
        rows: of every candidate.
        pick: the name of the pick; None where nothing keeps the constraints.
        objective: what was looked for.
        bounds: the constraints.
    """
    asked = " and ".join(f"{name} {bound}" for name, bound in bounds.items())
    if pick is None:
        return _none(rows, asked)
    by_name = {row["name"]: row for row in rows}
    best = by_name[pick]
    keeps = f" that keeps {asked}" if asked else ""
    speedup = best["speedup_vs_source"]
    times = f", {speedup['value']:.2g}x the source" if speedup else ""
    parts = [f"{_BEST[objective]}{keeps}: {title(best)}{times}"]
    alike = [row for row in rows if row["status"] == "alike"]
    others = [row for row in rows if row["status"] == "held"]
    if alike:
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        are = "are" if len(alike) > 1 else "is"
        parts.append(f"{title(alike[0])}{more} {are} within the noise of it")
    elif others:
        parts.append(f"next is {title(others[0])}, {others[0]['reason']}")
    left = _left(rows)
    return "; ".join(parts) + "." + (f" Left out: {left}." if left else "")


def title(row: Row) -> str:
    """A candidate in a few words: the model, its runtime, the settings that were chosen."""
    if row["runtime"] is None:
        return str(row["variant"])
    told = " ".join(f"{key} {value}" for key, value in row["settings"].items())
    return f"{row['variant']} in {row['runtime']}" + (f" ({told})" if told else "")


def _none(rows: Sequence[Row], asked: str) -> str:
    missed = [row for row in rows if row["excess"]]
    missed.sort(key=lambda row: max(row["excess"].values()))
    if not missed:
        failed = next((row for row in rows if row["reason"]), None)
        told = f": {failed['name']}: {failed['reason']}" if failed else ""
        return f"nothing could be measured{told}."
    closest = missed[0]
    figures = ", ".join(f"{name} is {_figure(closest, name)}" for name in closest["excess"])
    asked = asked or "the default bounds"
    return f"nothing keeps {asked}; the closest is {title(closest)}: {figures}."


def _figure(row: Row, name: str) -> str:
    if name in STATIC:
        value = row["size_bytes"] if name == "size_bytes" else row["fidelity"].get(name)
    elif name == "throughput_per_s":
        value = row[name]
    else:
        value = row["latency_ms"] and row["latency_ms"][name.split("_")[1]]
    return "unknown" if value is None else f"{value:.4g}"


def _left(rows: Sequence[Row]) -> str:
    """How many went, and when."""
    counts = Counter(_when(row) for row in rows if row["status"] not in {"picked", "alike", "held"})
    return ", ".join(f"{count} {words}" for words, count in counts.items())


def _when(row: Row) -> str:
    match row["status"]:
        case "slower":
            return f"slower after rung {row['rung']}"
        case "missed" if row["rung"] is not None:
            return f"beyond a bound in rung {row['rung']}"
        case status:
            return _LEFT[status]
