"""The steps, and what each of them changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optkit.report import words
from optkit.report.tables import Cell, Table, Told

Row = Mapping[str, Any]

_MOST_NAMES = 8


def table(run: Row) -> Table:
    """Each pass in order: what it made, by how much it grew or shrank, and what it changed."""
    before: Row | None = run["model"]
    results = {one["sha256"] for one in run["artifacts"]}
    rows = []
    for number, step in enumerate(run["steps"], 1):
        made = step["artifact"]
        rows.append((
            f"{number}. {step['pass']}",
            f"{made['format']}, {words.size(made['bytes'])}",
            _grown(before, made),
            changes(step),
            "cached" if step["cached"] else words.seconds(step["seconds"]),
        ))
        # What comes after a result leads to another: it did not begin there.
        before = None if made["sha256"] in results and len(results) > 1 else made
    heads = ("step", "gives", "size", "what changed", "time")
    return Table("Steps", heads, rows, frozenset({2, 4}))


def changes(step: Row) -> Cell:
    """What a step changed, in words; or why it changed nothing."""
    if not step["changed"]:
        return Told(f"no change: {step['reason']}", "note")
    told = "; ".join(filter(None, (step["reason"], *_details(step))))
    return told or f"now {step['artifact']['format']}"


def candidates(step: Row) -> Table | None:
    """What a step tried before it chose, the best first."""
    tried = step["details"].get("tried")
    if not isinstance(tried, list) or len(tried) < 2:
        return None
    keys = list(dict.fromkeys(key for one in tried for key in one))
    return Table(
        f"Tried by {step['pass']}",
        [key.replace("_db", " (dB)").replace("_", " ") for key in keys],
        [[words.figure(one[key]) if key in one else "" for key in keys] for one in tried],
    )


def _grown(before: Row | None, after: Row) -> str:
    if before is None:
        return ""
    if before["bytes"] == after["bytes"] or not before["bytes"]:
        return "±0 %"
    change = 100 * (after["bytes"] - before["bytes"]) / before["bytes"]
    return f"{change:+.1f} %".replace("-", "−")


def _details(step: Row) -> Iterator[str]:
    """Short facts as they are, names of layers as far as they are few; no option again."""
    for name, value in step["details"].items():
        if name in step["options"]:
            continue
        about = "SQNR, dB:" if name == "sqnr_db" else name.replace("_", " ")
        if isinstance(value, bool) or value is None:
            if value:
                yield about
        elif isinstance(value, int | float | str):
            yield f"{about} {words.figure(value)}"
        elif name in {"reverted", "pruned"} and isinstance(value, list) and value:
            names = [str(one) for one in value if isinstance(one, str)]
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            if names:
                yield f"{about}: {', '.join(names[:_MOST_NAMES])}{more}"
