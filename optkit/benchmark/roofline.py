"""What bounds an operation: the roofline model, on the peaks that were measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optkit.benchmark.peaks import Peaks

NEAR = 0.25
"""The least share of its roof that an operation has to reach to be called bound by it.

An operation's roof is the higher of two least times: its arithmetic at the peak of its precision,
and its bytes, inputs with weights and outputs, at the rate of a memory copy. One that takes more
than four times as long is held up by neither: by being started, by threads that wait for one
another, by a kernel that does not fit. That is told as `overhead`. Data that a cache holds can come
faster than a copy: a share above 1 is still `memory`.
"""

BETWEEN = "between operations"
"""The row of the time that belongs to none."""

Row = dict[str, Any]


def judged(operation: Mapping[str, Any], latency_ms: float, rates: Rates) -> Row:
    """An operation's row: share of the latency, rates, and what bounds it.

    Args:
        operation: `name`, `type`, `precision`, `kernel`, `count`, `ms`; `flops` and
            `bytes`, or None.
        latency_ms: of a whole inference.
        rates: what the device can do at most.

    Returns:
        The row, `peak_share` being that of the precision's peak and `roof_share` that of the
        lower roof. What cannot be told is None.
    """
    seconds, flops, moved = operation["ms"] / 1e3, operation["flops"], operation["bytes"]
    peak, copy = rates.get(operation["precision"]), rates.get("copy")
    per_s = flops / seconds if flops and seconds else None
    compute = per_s / peak if per_s and peak else None
    memory = moved / seconds / copy if moved is not None and seconds and copy else None
    roof = max((share for share in (compute, memory) if share is not None), default=None)
    return {
        **{key: operation[key] for key in ("name", "type", "precision", "kernel", "count", "ms")},
        "share": operation["ms"] / latency_ms,
        "gflops": flops / 1e9 if flops else None,
        "gops_per_s": per_s / 1e9 if per_s else None,
        "gb_per_s": moved / seconds / 1e9 if moved and seconds else None,
        "intensity": flops / moved if flops and moved else None,
        "peak_share": compute,
        "roof_share": roof,
        "bound": _bound(compute, roof, whole=(flops == 0 or bool(compute)) and memory is not None),
    }


Rates = Mapping[str, float]
"""Operations per second by precision, and under `copy` bytes per second."""


def rates(peaks: Peaks | None, threads: int | None) -> dict[str, float]:
    """The peaks of so many threads."""
    if peaks is None:
        return {}
    words = {row.what for row in peaks.rates} - {"copy"}
    found = {word: peaks.ops_per_s(word, threads) for word in words}
    found["copy"] = peaks.bytes_per_s(threads)
    return {word: rate for word, rate in found.items() if rate}


def between(operations: Iterable[Mapping[str, Any]], latency_ms: float) -> Row:
    """The row that makes the shares add up; below zero where operations ran side by side."""
    left = latency_ms - sum(row["ms"] for row in operations)
    told = dict.fromkeys((
        "gflops",
        "gops_per_s",
        "gb_per_s",
        "intensity",
        "peak_share",
        "roof_share",
        "bound",
    ))
    facts = {"name": BETWEEN, "type": "", "precision": "", "kernel": "", "count": 1}
    return {**facts, "ms": left, "share": left / latency_ms, **told}


def by_type(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Operations of one type and precision added up, the longest first.

    `bound` is the one under which the most of their time is spent.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["type"], row["precision"]), []).append(row)
    found = [
        {"type": kind, "precision": word, **_sums(group)} for (kind, word), group in groups.items()
    ]
    return sorted(found, key=lambda row: -row["ms"])


def _sums(group: list[Mapping[str, Any]]) -> Row:
    ms = sum(row["ms"] for row in group)
    counted = [row for row in group if row["gflops"]]
    work, spent = sum(row["gflops"] for row in counted), sum(row["ms"] for row in counted)
    # of rows that have one: flops over the least time that the peak allows
    least = sum(row["ms"] * (row["peak_share"] or 0) for row in counted)
    bounds: dict[str, float] = {}
    for row in group:
        if row["bound"]:
            bounds[row["bound"]] = bounds.get(row["bound"], 0) + row["ms"]
    return {
        "count": sum(row["count"] for row in group),
        "ms": ms,
        "share": sum(row["share"] for row in group),
        "gops_per_s": work / spent * 1e3 if spent else None,
        "peak_share": least / spent if least and spent else None,
        "bound": max(bounds, key=lambda word: bounds[word]) if bounds else None,
    }


def _bound(compute: float | None, roof: float | None, *, whole: bool) -> str | None:
    """What bounds, if one of the roofs is reached or both are known."""
    if roof is None or (roof < NEAR and not whole):
        return None
    if roof < NEAR:
        return "overhead"
    return "compute" if roof == compute else "memory"
