"""What of a run is worth a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report.plot import Axis, Figure, Mark, Series

Row = Mapping[str, Any]

# A ridge almost reaches the one above.
_TALL = 0.8

# As many as there are colours.
_LAYERS = 5


def latencies(run: Row) -> Iterator[Figure]:
    """How the latencies of each result lie, and of what it was timed against."""
    results = {row["path"] for row in run["artifacts"]}
    together: list[Row] = []
    for row in run["benchmark"]:
        together += [row] if "error" not in row else []
        if row["artifact"] in results:  # the last of those that were timed together
            yield _ridges(together)
            together = []


def against_fidelity(run: Row) -> Iterator[Figure]:
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


def sensitivities(run: Row) -> Iterator[Figure]:
    """What each layer loses when channels are taken: the layers that lose most, by name."""
    for step in run["steps"]:
        table: Mapping[str, Sequence[Row]] = step["details"].get("sensitivity") or {}
        worst = {name: max((row["drop"] for row in rows), default=0.0)
                 for name, rows in table.items() if rows}  # fmt: skip
        shown = sorted(worst, key=lambda name: -worst[name])[:_LAYERS]
        if not shown:
            continue
        yield Figure(
            title="Sensitivity of the layers" + (
                f", the {_LAYERS} most sensitive of {len(worst)}" if len(worst) > _LAYERS else ""
            ),
            told="; ".join(f"{name}: {worst[name]:.3f} at most" for name in shown),
            x=Axis("share of the layer's channels taken", span=0.9),
            y=Axis(f"drop: {step['details']['measure']}", span=0.02),
            series=[
                Series(
                    name,
                    line=[(0.0, 0.0), *((row["ratio"], row["drop"]) for row in table[name])],
                )
                for name in shown
            ],
        )  # fmt: skip


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


def _ridges(timed: Sequence[Row]) -> Figure:
    result = timed[-1]
    upwards = timed[::-1]
    return Figure(
        title=f"Latencies, {result['artifact']} on {result['device']}, {result['scenario']}",
        told="; ".join(map(_told, timed)),
        x=Axis("milliseconds, logarithmic; the dot is the median", log=True),
        y=Axis(names=[(at, _named(row)) for at, row in enumerate(upwards)]),
        series=[_ridge(row, at) for at, row in enumerate(upwards)],
        height=70 + 56 * len(timed),
    )


def _ridge(row: Row, floor: float) -> Series:
    lie = row["histogram"]
    counts, low = lie["counts"], math.log(lie["low_ms"])
    step = (math.log(lie["high_ms"]) - low) / len(counts)
    tall = _TALL / max(counts)
    line = [(lie["low_ms"], floor)]
    for at, count in enumerate(counts):
        height = floor + tall * count
        line += [(math.exp(low + at * step), height), (math.exp(low + (at + 1) * step), height)]
    line.append((lie["high_ms"], floor))
    return Series(line=line, area=True, marks=[Mark(row["latency_ms"]["p50"], floor)])


def _named(row: Row) -> str:
    return f"{row['artifact']}, {row['latency_ms']['p50']:.3g} ms"


def _told(row: Row) -> str:
    latency = row["latency_ms"]
    return f"{row['artifact']}: median {latency['p50']:.3g} ms, 99 % within {latency['p99']:.3g} ms"
