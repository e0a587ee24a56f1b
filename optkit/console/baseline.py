"""Baselines, as they were taken and as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import number, table


def print_update(console: Console, changes: Sequence[Mapping[str, Any]], place: str) -> None:
    """What a baseline now holds, and what it held before."""
    fresh = all(row["before"] is None for row in changes)
    shown = [row for row in changes if fresh or row["before"] != row["after"]]
    heads = ["artifact", "measured on", "figure", *([] if fresh else ["before"]), "now"]
    rows = [
        [row["artifact"], row["at"], row["name"],
         *([] if fresh else [_told(row["before"])]), _told(row["after"])]
        for row in shown
    ]  # fmt: skip
    if rows:
        table(console.rich, heads, rows, figures=heads[3:])
    console.rich.print(f"{place}: {_counted(len(rows), fresh=fresh)}", markup=False)


def print_baseline(console: Console, content: Mapping[str, Any], elsewhere: str) -> None:
    """What a baseline holds."""
    rich, model, machine = console.rich, content["model"], content["machine"]
    rich.print(f"{model['name']}, {', '.join(model['inputs'])}", markup=False)
    rich.print(f"{machine['cpu']}, {machine['cores']} cores", markup=False)
    rows = []
    for word, artifact in content["artifacts"].items():
        rows += [(word, "", name, _told(value), "") for name, value in artifact["figures"].items()]
        rows += [
            (word, at, name, _told(row["value"]), " to ".join(map(_told, row["ci95"])))
            for at, told in artifact["timing"].items()
            for name, row in told.items()
        ]
    heads = ("artifact", "measured on", "figure", "value", "95 % interval")
    table(rich, heads, rows, figures=("value",))
    if elsewhere:
        rich.print(f"{elsewhere}: its times cannot be compared with this machine's", markup=False)


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if abs(value) < 1e4 else number(value)


def _counted(count: int, *, fresh: bool) -> str:
    if fresh:
        return f"{count} figures"
    return f"{count} figures changed" if count else "as it was"
