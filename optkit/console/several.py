"""What several recipes came to, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.stream import Console
from optkit.console.tables import size, speedup, table

if TYPE_CHECKING:
    from optkit.console.tables import Cell

_WORDS = {0: ("ok", "green"), 3: ("a gate was missed", "bold red"), 2: ("bad input", "bold red"),
          1: ("a step failed", "bold red"), 4: ("a fault in optkit", "bold red")}  # fmt: skip


def print_runs(console: Console, runs: Sequence[Mapping[str, Any]]) -> None:
    """A line to each result, in the order of the recipes; one to each recipe without any."""
    rows = [row for run in runs for row in _rows(run)]
    heads = ("recipe", "", "gates", "result", "size", "speedup")
    columns = len(heads) if any(row[-1] for row in rows) else len(heads) - 1
    table(console.rich, heads[:columns], [row[:columns] for row in rows])


def _rows(run: Mapping[str, Any]) -> list[tuple[Cell, ...]]:
    from rich.text import Text

    word, style = _WORDS.get(run["exit"], ("not run", "yellow"))
    mark = Text(word, style)
    done = run.get("artifacts", ()) if run["output"] else ()
    rows: list[tuple[Cell, ...]] = []
    for artifact in done:
        name = artifact["path"]
        first = not rows
        rows.append((
            run["recipe"] if first else "",
            mark if first else "",
            _gates(run, name),
            f"{run['output']}/{name}",
            size(artifact["bytes"]),
            _speed(run, name),
        ))  # fmt: skip
    return rows or [(run["recipe"], mark, "", "", "", "")]


def _gates(run: Mapping[str, Any], name: str) -> str:
    judged = [gate["held"] for gate in run["gates"] if gate["artifact"] == name]
    return f"{sum(map(bool, judged))} of {len(judged)} held"


def _speed(run: Mapping[str, Any], name: str) -> str:
    """The least speedup among its timings."""
    ratios = [
        row["speedup"] for row in run["benchmark"] if row["artifact"] == name and row.get("speedup")
    ]
    return speedup(min(ratios, key=lambda ratio: ratio["value"])) if ratios else ""
