"""What an interval allows to be said of a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from optkit.core.intervals import Interval

Verdict = Literal["held", "missed", "too noisy", "not comparable"]

UNDECIDED: tuple[Verdict, ...] = ("too noisy", "not comparable")
"""Verdicts that pass a run unless the recipe has it otherwise."""

_WORST: tuple[Verdict, ...] = ("missed", "too noisy", "not comparable", "held")


def within(figure: Interval, low: float, high: float, *, certain: bool = True) -> Verdict:
    """Whether a figure lies between two ends, both included, as far as its interval tells.

    Held where the whole interval does, missed where the whole of it lies beyond one end. A value
    that is not a number is missed.

    Args:
        figure: the value and the ends of its interval, which are the value where it has none.
        low: the least it may be.
        high: the most it may be.
        certain: whether the interval rests on enough to be believed.
    """
    value, below, above = figure
    if value != value or below != below or above != above:  # noqa: PLR0124 - not a number
        return "missed"
    if not certain:
        return "too noisy"
    if low <= below and above <= high:
        return "held"
    return "missed" if above < low or below > high else "too noisy"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The one that decides."""
    return min(verdicts, key=_WORST.index)
