"""Where members of a search stand, and what one measurement of one of them gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from optkit.core.stats import Rounds, paired_ratio


@dataclass(frozen=True)
class Sample:
    """What one measurement of one member gave.

    Attributes:
        rounds: times, low ones good, by round; empty where it failed.
        sittings: how many of the rounds each loading of the models had.
        waited: how long threads waited for a core, as a share of each round.
        error: why it failed.
        excess: for each constraint, its figure over its bound, turned so that above 1 is a miss.
    """

    rounds: Rounds = ()
    sittings: Sequence[int] = ()
    waited: Sequence[float] = ()
    error: str | None = None
    excess: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """How far off the constraint is that is missed most; at most 1 where all are kept."""
        return max(self.excess.values(), default=0.0)


Status = Literal["going on", "failed", "missed", "slower", "far", "unable", "same", "held"]


@dataclass(frozen=True)
class Standing:
    """Where a member stands.

    Attributes:
        status: `failed` to run; `missed` a constraint; `slower` than those that went on; of a
            family that was not looked into, as its plainest member is `far` behind or does not
            run (`unable`); the `same` as another under a second name; or `held` out to the end.
        rung: the last it was measured in, from 0; None where it never was.
        value: how many times as good as that rung's reference it is.
        low: the lower end of the 95 % interval of that.
        high: its upper end.
        sample: its last one.
        against: what it fell behind, or is the same as.
        over: how many times as good as the companion, and the interval's two ends, of the rung in
            which they ran side by side; None where they never did.
    """

    status: Status = "going on"
    rung: int | None = None
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    sample: Sample = Sample()
    against: str | None = None
    over: tuple[float, float, float] | None = None


def times_as_good(own: Sample, other: Sample) -> tuple[float, float, float]:
    """How many times as good one is as another, and the interval's two ends."""
    if own is other:
        return 1.0, 1.0, 1.0
    sides = other.waited, own.waited
    return paired_ratio(other.rounds, own.rounds, own.sittings, sides)
