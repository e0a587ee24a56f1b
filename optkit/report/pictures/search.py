"""What a search found: candidates by what they cost, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from optkit.report.figure import Axis, Figure, Mark, Series

Row = Mapping[str, Any]


def of_search(found: Row) -> Iterator[Figure]:
    """Time against fidelity and time against size, of every candidate that was measured."""
    rows = [row for row in found["candidates"] if row["undisturbed"]]
    latency = found["objective"] == "latency"
    time = _latency if latency else _throughput
    x = Axis(
        "milliseconds, 10th percentile, logarithmic" if latency
        else "inputs per second, undisturbed, logarithmic",
        log=True,
    )  # fmt: skip
    near = [row for row in rows if isfinite(row["fidelity"].get("sqnr_db") or inf)]
    yield from _plane(
        "Time against fidelity", near, time, x,
        lambda row: row["fidelity"]["sqnr_db"], Axis("SQNR of the worst output, dB", span=6.0),
    )  # fmt: skip
    yield from _plane(
        "Time against size", rows, time, x,
        lambda row: row["size_bytes"] / 1e6, Axis("megabytes", span=1.0),
    )  # fmt: skip


def _plane(
    title: str,
    rows: Sequence[Row],
    across: Callable[[Row], float],
    x: Axis,
    up: Callable[[Row], float],
    y: Axis,
) -> Iterator[Figure]:
    if len(rows) < 2:
        return

    def marks(chosen: Sequence[Row], *, named: bool) -> list[Mark]:
        return [Mark(across(row), up(row), _name(row) if named else "") for row in chosen]

    pick = [row for row in rows if row["status"] == "picked"]
    front = [row for row in rows if row["on_front"] and row not in pick]
    others = [row for row in rows if row not in pick and row not in front]
    groups = [("picked", pick), ("on the front", front), ("others", others)]
    yield Figure(
        title=title,
        told="; ".join(
            f"{row['name']} ({word}): {across(row):.3g}, {up(row):.3g}"
            for word, group in groups[:2]
            for row in group
        ),
        x=x,
        y=y,
        series=[
            Series(name=word, marks=marks(group, named=word == "picked"))
            for word, group in groups
            if group
        ],
        height=320,
    )


def _name(row: Row) -> str:
    return str(row["variant"])


def _latency(row: Row) -> float:
    return float(row["undisturbed"]["latency_ms"])


def _throughput(row: Row) -> float:
    return float(row["undisturbed"]["throughput_per_s"])
