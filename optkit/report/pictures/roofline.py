"""Operations under the roofs that the machine was measured to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report.figure import Axis, Figure, Mark, Series

Row = Mapping[str, Any]

_NAMED = 4
_LONGEST = 24


def of_profile(rows: Sequence[Row]) -> Iterator[Figure]:
    """A picture for each profiled model: what an operation achieves by its FLOPs per byte.

    Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (2009).
    Operations whose work is not known have no place in it, and a device whose peaks are not known
    has no roofs.
    """
    for row in rows:
        placed = [one for one in row.get("operations", ()) if _place(one)]
        if placed:
            yield _roofline(row, placed)


def _place(one: Row) -> bool:
    return bool(one["intensity"] and one["gops_per_s"])


def _roofline(row: Row, placed: Sequence[Row]) -> Figure:
    words = list(dict.fromkeys(one["precision"] for one in placed))
    low = min(one["intensity"] for one in placed) / 2
    high = max(one["intensity"] for one in placed) * 2
    longest = placed[:_NAMED]
    return Figure(
        title=f"Roofline, {row['artifact']} in {row['runtime']} on {row['device']}",
        told="; ".join(map(_told, longest)),
        x=Axis("FLOPs per byte, logarithmic", log=True),
        y=Axis("GOPS, logarithmic; the line is the measured roof", log=True),
        series=[
            Series(
                name=word,
                line=_roof(row["peaks"], word, low, high),
                marks=[
                    Mark(one["intensity"], one["gops_per_s"], _label(one) if one in longest else "")
                    for one in placed
                    if one["precision"] == word
                ],
            )
            for word in words
        ],
        height=340,
    )


def _roof(peaks: Row, word: str, low: float, high: float) -> list[tuple[float, float]]:
    """From memory's slope to the peak, between two intensities."""
    peak, copy = peaks["gops"].get(word), peaks["gb_per_s"]
    if not peak:
        return []
    if not copy:
        return [(low, peak), (high, peak)]
    ridge = peak / copy
    if ridge <= low:
        return [(low, peak), (high, peak)]
    if ridge >= high:
        return [(low, low * copy), (high, high * copy)]
    return [(low, low * copy), (ridge, peak), (high, peak)]


def _label(one: Row) -> str:
    name = one["name"]
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def _told(one: Row) -> str:
    reached = f", {one['roof_share']:.0%} of its roof" if one["roof_share"] else ""
    bound = f", bound by {one['bound']}" if one["bound"] else ""
    return (
        f"{one['name']}: {one['ms']:.3g} ms, {one['gops_per_s']:.3g} GOPS at "
        f"{one['intensity']:.3g} FLOPs per byte{reached}{bound}"
    )
