"""How latencies lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report.figure import Axis, Figure, Mark, Series

Row = Mapping[str, Any]

# A ridge almost reaches the one above.
_TALL = 0.7


def of_run(run: Row) -> Iterator[Figure]:
    """The latencies of each result, and of what it was timed against."""
    results = {row["path"] for row in run["artifacts"]}
    together: list[Row] = []
    for row in run["benchmark"]:
        together += [row] if "error" not in row else []
        if row["artifact"] in results:  # the last of those that were timed together
            about = f"{row['artifact']} on {row['device']}, {row['scenario']}"
            yield ridges(about, {one["artifact"]: one for one in together})
            together = []


def of_benchmark(timed: Sequence[Row]) -> Iterator[Figure]:
    """The latencies of all that was timed in one scenario, each scenario by itself."""
    known = [row for row in timed if "error" not in row]
    for scenario in dict.fromkeys(row["scenario"] for row in known):
        rows = [row for row in known if row["scenario"] == scenario]
        yield ridges(scenario, {_asked(row): row for row in rows})


def ridges(about: str, timed: Mapping[str, Row]) -> Figure:
    """Histograms one above the other, by the name of each row."""
    upwards = list(timed.items())[::-1]
    return Figure(
        title=f"Latencies, {about}",
        told="; ".join(_told(name, row) for name, row in timed.items()),
        x=Axis("milliseconds, logarithmic; the dot is the median", log=True),
        y=Axis(rows=True),
        series=[_ridge(_named(name, row), row, at) for at, (name, row) in enumerate(upwards)],
        height=60 + 64 * len(timed),
    )


def _ridge(label: str, row: Row, floor: float) -> Series:
    lie = row["histogram"]
    counts, low = lie["counts"], math.log(lie["low_ms"])
    step = (math.log(lie["high_ms"]) - low) / len(counts)
    tall = _TALL / max(counts)
    line = [(lie["low_ms"], floor)]
    for at, count in enumerate(counts):
        height = floor + tall * count
        line += [(math.exp(low + at * step), height), (math.exp(low + (at + 1) * step), height)]
    line.append((lie["high_ms"], floor))
    return Series(line=line, area=True, marks=[Mark(row["latency_ms"]["p50"], floor, label)])


def _asked(row: Row) -> str:
    """A row by its model, its device and what else was asked for."""
    return " ".join(map(str, (row["artifact"], row["device"], *(row.get("asked") or {}).values())))


def _named(name: str, row: Row) -> str:
    return f"{name}, {row['latency_ms']['p50']:.3g} ms"


def _told(name: str, row: Row) -> str:
    latency = row["latency_ms"]
    return f"{name}: median {latency['p50']:.3g} ms, 99 % within {latency['p99']:.3g} ms"
