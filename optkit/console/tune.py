"""What a search found: those that came far or are on the front, the pick, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.stream import Console
from optkit.console.tables import number, seconds, size, table

if TYPE_CHECKING:
    from rich.text import Text

Row = Mapping[str, Any]

_FIGURES = ("p50 ms", "inputs/s", "size", "loss", "x source")
_HEADS = ("model", "settings", *_FIGURES, "")
_STYLES = {"picked": "bold green", "alike": "cyan", "missed": "yellow", "failed": "red"}
_MOST_REASONS = 12
_NOTE = (
    "* on the Pareto front of latency, throughput, size and loss; compared by the low percentiles "
    "of their times, which load disturbs least"
)


def print_tune(console: Console, document: Mapping[str, Any]) -> None:
    """The Pareto front and those that held out to the end; the others by their reasons."""
    found = document["tune"]
    rows = found["candidates"]
    shown = [row for row in rows if row["on_front"] or row["status"] in {"picked", "alike", "held"}]
    bounds = ", ".join(f"{name} {_bound(bound)}" for name, bound in found["constraints"].items())
    title = ", ".join(filter(None, (found["objective"], found["scenario"], bounds)))
    if shown:
        common = _common(shown)
        title += "".join(f", {words}" for words in common)
        cells = [_cells(row, common) for row in shown]
        table(console.rich, _HEADS, cells, title=title, figures=_FIGURES)
        console.rich.print(_NOTE, style="dim", markup=False)
    for line in _reasons([row for row in rows if row not in shown]):
        console.rich.print(line, markup=False, highlight=False)
    console.rich.print(found["why"], markup=False, highlight=False)
    kept = "" if found["measured"] else ", all of it measured earlier"
    console.rich.print(f"{len(rows)} candidates in {seconds(found['seconds'])}{kept}", style="dim")
    if found.get("recipe"):
        console.rich.print(f"written: {found['recipe']}", markup=False, highlight=False)


def _words(row: Row) -> list[str]:
    return [_setting(key, value) for key, value in row["settings"].items()]


def _setting(key: str, value: Any) -> str:
    """A setting in a word or two."""
    if key in {"infer_precision", "mode", "api", "device"}:
        return str(value)
    return f"{key} {value}"


def _common(rows: Sequence[Row]) -> list[str]:
    """Settings that are the same in every row."""
    return [words for words in _words(rows[0]) if all(words in _words(row) for row in rows)]


def _cells(row: Row, common: Sequence[str]) -> tuple[str | Text, ...]:
    from rich.text import Text

    settings = ", ".join(words for words in _words(row) if words not in common)
    ratio = row["speedup_vs_source"]
    mark = "* " if row["on_front"] else ""
    return (
        row["variant"],
        settings,
        number(row["latency_ms"]["p50"]) if row["latency_ms"] else "",
        number(row["throughput_per_s"]) if row["throughput_per_s"] else "",
        size(row["size_bytes"]),
        _loss(row["fidelity"]),
        number(ratio["value"]) if ratio else "",
        Text(mark + row["status"], _STYLES.get(row["status"], "")),
    )


def _loss(fidelity: Mapping[str, float | None]) -> str:
    """Of the task metric where there is one, else how far the cosine falls short of 1."""
    drop, cosine = fidelity.get("metric_drop"), fidelity.get("cosine")
    if drop is not None:
        return f"{drop:+.2%}"
    return "" if cosine is None else f"{max(0.0, 1 - cosine):.1e}"


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why the others are out, those of one reason together; what is another's double last."""
    groups: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row["status"] == "same"):
        told = f"{row['status']}: {row['reason']}" if row["reason"] else row["status"]
        groups.setdefault(told, []).append(row["name"])
    lines = [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {told}"
        for told, names in groups.items()
    ]
    rest = len(lines) - _MOST_REASONS
    return lines[:_MOST_REASONS] + ([f"{rest} more reasons: --json"] if rest > 0 else [])


def _bound(bound: Mapping[str, float]) -> str:
    ends = {"min": ">=", "max": "<="}
    return " and ".join(f"{ends[key]} {value:g}" for key, value in bound.items())
