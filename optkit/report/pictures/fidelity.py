"""What closeness to the source costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optkit.report.plot import Axis, Figure, Mark, Series

Row = Mapping[str, Any]


def of_run(run: Row) -> Iterator[Figure]:
    """What closeness to the source costs in bytes and in time, where there is a choice."""
    fidelity = {row["artifact"]: _worst_sqnr(row) for row in run["validation"]}
    sizes = {row["path"]: row["bytes"] / 1e6 for row in run["artifacts"]}
    yield from _front("Size", "megabytes", sizes, fidelity)
    timed = [row for row in run["benchmark"] if "error" not in row and row["artifact"] in sizes]
    for device, scenario in dict.fromkeys((row["device"], row["scenario"]) for row in timed):
        medians = {
            row["artifact"]: row["latency_ms"]["p50"]
            for row in timed
            if (row["device"], row["scenario"]) == (device, scenario)
        }
        title = f"Median latency, {device} {scenario},"
        yield from _front(title, "milliseconds", medians, fidelity)


def _front(
    what: str, unit: str, costs: Mapping[str, float], fidelity: Mapping[str, float | None]
) -> Iterator[Figure]:
    marks = [
        Mark(cost, decibels, name)
        for name, cost in costs.items()
        if (decibels := fidelity.get(name)) is not None
    ]
    if len(marks) < 2:
        return
    yield Figure(
        title=f"{what} against fidelity",
        told="; ".join(f"{mark.label}: {mark.x:.3g} {unit}, {mark.y:.1f} dB" for mark in marks),
        x=Axis(unit, span=max(mark.x for mark in marks) / 2),
        y=Axis("SQNR of the worst output, dB", span=6.0),
        series=[Series(marks=[mark]) for mark in marks],
    )


def _worst_sqnr(proof: Row) -> float | None:
    """In decibels; None where nothing was compared, or every output is the source's own."""
    return min((row["sqnr_db"] for row in proof["outputs"] if row["sqnr_db"] is not None),
               default=None)  # fmt: skip
