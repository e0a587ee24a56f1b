"""The figures that gates bound, out of the manifest's rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optkit.core.intervals import Interval
from optkit.core.stats import ROUNDS_TO_TELL
from optkit.recipe.gates import GATES

Row = Mapping[str, Any]

RATIOS = ("speedup", "speedup_vs_half", "speedup_vs_source", "speedup_vs_baseline")
LATENCIES = tuple(name for name in GATES if name.startswith("latency_ms_"))
TIMED = (*RATIOS, *LATENCIES, "throughput_per_s")
"""Figures that a clock gave: each has an interval, and no meaning without it."""


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        value: None where it was not measured.
        ci95: the ends of its 95 % interval; None for what does not vary from run to run.
        at: where there are several of the name: the device and scenario, or the row.
        certain: whether it rests on enough to be judged.
        row: of a timed figure, the benchmark row that it stands in.
        note: how it was found, or why it could not be.
        calm: the same of the least disturbed samples, where it is a ratio: a value and its ends.
        comparable: whether it could have been found: a machine's or a file's lack is no miss.
    """

    value: float | None
    ci95: tuple[float, float] | None = None
    at: str = ""
    certain: bool = True
    row: Row | None = None
    note: str = ""
    comparable: bool = True
    calm: Interval | None = None

    @property
    def interval(self) -> Interval:
        """The value and the ends of its interval."""
        assert self.value is not None
        low, high = self.ci95 or (self.value, self.value)
        return self.value, low, high


MISSING = Figure(None)


def named_figures(artifact: Row, validation: Row, timed: Sequence[Row]) -> dict[str, list[Figure]]:
    """Every figure that has a name of its own; one for each device and scenario where it is timed.

    Args:
        artifact: the manifest's row of the artifact.
        validation: its validation row.
        timed: its own benchmark rows.
    """
    outputs = [row for row in validation["outputs"] if row["verdict"] == "compared"]
    if any(row["problem"] for row in outputs):
        outputs = []  # how close the rest is proves nothing
    metric = validation["metric"]
    drop = metric["drop"] if metric else None
    values: dict[str, float | None] = {
        "size_bytes": artifact["bytes"],
        "size_ratio": artifact["size_ratio"],
        "accuracy_drop": drop,
        "metric_drop": drop,
        "metric": metric["value"] if metric else None,
        "cosine": _worst(min, (row["cosine"] for row in outputs)),
        "sqnr_db": _worst(min, (_sqnr(row) for row in outputs)),
        "max_abs": _worst(max, (row["max_abs"] for row in outputs)),
        "max_rel": _worst(max, (row["max_rel"] for row in outputs)),
    }
    found = {name: [Figure(value)] for name, value in values.items()}
    for name in TIMED:
        each = (timed_figure(name, row, label(row)) for row in timed)
        found[name] = [figure for figure in each if figure.value is not None]
    return found


def timed_figure(name: str, row: Row, at: str = "") -> Figure:
    """A figure that a clock gave, out of a benchmark row."""
    certain = row["rounds"] >= ROUNDS_TO_TELL
    if name in RATIOS:
        ratio = row.get(name)
        if not ratio:
            return Figure(None, at=at, row=row)
        low, high = ratio["ci95"]
        return Figure(ratio["value"], (low, high), at, certain, row, calm=calm_of(ratio))
    latency = row["latency_ms"]
    intervals = latency.get("intervals", {})
    if name in LATENCIES:
        word = name.removeprefix("latency_ms_")
        ends = intervals.get(word)
        return Figure(latency[word], ends and (ends[0], ends[1]), at, certain, row)
    value = row["throughput_per_s"]
    if "server" in row:
        low, high = row["server"]["bracket"]
        batch = row["settings"]["batch"]
        held = row["server"]["held"]
        return Figure(value, (low * batch, high * batch) if held else None, at, certain, row)
    if "mean" not in intervals:
        return Figure(value, None, at, certain, row)
    low, high = (value * latency["mean"] / end for end in reversed(intervals["mean"]))
    return Figure(value, (low, high), at, certain, row)


def calm_of(ratio: Row) -> Interval | None:
    """A ratio as the least disturbed samples have it."""
    told = ratio.get("percentiles", {}).get("p10")
    return (told["value"], told["ci95"][0], told["ci95"][1]) if told else None


def label(row: Row) -> str:
    """What tells a benchmark row from the others of an artifact."""
    return f"{row['device']} {row['scenario']}"


def _worst(choose: Any, values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _sqnr(row: Row) -> float | None:
    return math.inf if row["max_abs"] == 0 else row["sqnr_db"]
