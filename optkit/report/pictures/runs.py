"""Several runs in one picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report.figure import Axis, Figure, Mark, Series
from optkit.report.pictures.fidelity import error_percent, front
from optkit.report.pictures.latencies import ridges
from optkit.report.words import interval, times

Row = Mapping[str, Any]


def of_runs(names: Sequence[str], runs: Sequence[Row]) -> Iterator[Figure]:
    """Speedups with their intervals, latencies, and size and time against the error they cost."""
    results = [
        (name if len(run["artifacts"]) == 1 else f"{name}, {one['path']}", run, one)
        for name, run in zip(names, runs, strict=True)
        for one in run["artifacts"]
    ]
    timed = [
        (name, row)
        for name, run, one in results
        for row in run["benchmark"]
        if row["artifact"] == one["path"] and "error" not in row
    ]
    errors = {
        name: error
        for name, run, one in results
        for proof in run["validation"]
        if proof["artifact"] == one["path"] and (error := error_percent(proof)) is not None
    }
    places = dict.fromkeys((row["device"], row["scenario"]) for _, row in timed)
    for place in places:
        here = {name: row for name, row in timed if (row["device"], row["scenario"]) == place}
        where = ", ".join(place)
        yield from _speedups(where, here)
        yield ridges(where, here)
    yield from front("Size", "megabytes", {n: one["bytes"] / 1e6 for n, _, one in results}, errors)
    for place in places:
        medians = {
            name: row["latency_ms"]["p50"]
            for name, row in timed
            if (row["device"], row["scenario"]) == place
        }
        yield from front(f"Median latency, {' '.join(place)},", "milliseconds", medians, errors)


def _speedups(where: str, timed: Mapping[str, Row]) -> Iterator[Figure]:
    found = [(name, row["speedup"]) for name, row in timed.items() if row.get("speedup")]
    if len(found) < 2:
        return
    told = [f"{name}: {times(one['value'])} ({interval(one['ci95'])})" for name, one in found]
    upwards = list(zip(found, told, strict=True))[::-1]
    yield Figure(
        title=f"Speed against FP32, {where}",
        told="; ".join(told),
        x=Axis("times as fast; the line is the 95 % interval", log=True),
        y=Axis(rows=True),
        series=[
            Series(
                line=[(end, at) for end in one["ci95"]],
                marks=[Mark(one["value"], at, label)],
            )
            for at, ((_, one), label) in enumerate(upwards)
        ],
        height=60 + 46 * len(found),
    )
