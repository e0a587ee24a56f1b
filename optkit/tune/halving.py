"""Successive halving: short measurements of all, longer ones of those that may yet be the best.

It knows names and samples alone. Members of a family differ in how they run; the first of each is
its plainest. A family whose plainest member is far behind is not looked into: settings do not make
that good. Each later rung is three times as long as the one before, for a third of the members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Literal

from optkit.core.stats import Rounds, low_percentile_ratio

REACH = 2.0
"""How far behind the best a plain setting may be for its family to be looked into."""

FACTOR = 3
RUNGS = 4
SHORTEST = 0.1
SLACK = 1.25
"""By how much a short measurement must miss a constraint to count."""

_MOST_KEPT = 0.4
_FEW = 2


@dataclass(frozen=True)
class Sample:
    """What one measurement of one member gave.

    Attributes:
        rounds: times, low ones good, by round; empty where it failed.
        error: why it failed.
        excess: for each constraint, its figure over its bound, turned so that above 1 is a miss.
    """

    rounds: Rounds = ()
    error: str | None = None
    excess: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """How far off the constraint is that is missed most; at most 1 where all are kept."""
        return max(self.excess.values(), default=0.0)


Status = Literal["going on", "failed", "missed", "slower", "far", "unable", "held"]


@dataclass(frozen=True)
class Standing:
    """Where a member stands.

    Attributes:
        status: `failed` to run; `missed` a constraint; `slower` than those that went on; of a
            family that was not looked into, as its plainest member is `far` behind or does not
            run (`unable`); or `held` out to the end.
        rung: the last it was measured in, from 0; None where it never was.
        value: how many times as good as the first leader it is.
        low: the lower end of the 95 % interval of that.
        high: its upper end.
        sample: its last one.
        against: what it fell behind.
    """

    status: Status = "going on"
    rung: int | None = None
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    sample: Sample = Sample()
    against: str | None = None


Measure = Callable[[Sequence[str], float, int], Mapping[str, Sample]]
"""Measures members side by side: their names, seconds for each, the rung."""

Split = Callable[[Sequence[str]], Iterable[Sequence[str]]]
"""Parts that are few enough to be open at once."""


def rung_seconds(seconds: float) -> list[float]:
    """How long each member is measured in each rung; the last takes the full time."""
    lengths = [seconds / FACTOR**at for at in reversed(range(RUNGS))]
    return [length for length in lengths[:-1] if length >= SHORTEST] + [seconds]


def search(
    families: Sequence[Sequence[str]], measure: Measure, split: Split, seconds: float
) -> dict[str, Standing]:
    """Find the best member that keeps its constraints, by ever longer measurements of ever fewer.

    Members are compared by the ratio of low percentiles to the leader's, which is measured along
    with each part, so that the machine's ups and downs meet both.

    Args:
        families: names of members, the plainest of each family first.
        measure: called once for each part.
        split: parts of what a rung measures; the leader comes on top.
        seconds: of the last rung.

    Returns:
        Every member's standing; of those that `held`, the one of the highest value is the best.
    """
    race = _Race(measure, split, {name: Standing() for family in families for name in family})
    lengths = rung_seconds(seconds)
    race.run([family[0] for family in families], lengths[0], 0)
    race.look_into(families)
    alive = race.going_on()
    race.run([name for name in alive if race.standings[name].rung is None], lengths[0], 0)
    for rung, length in enumerate(lengths):
        last = rung == len(lengths) - 1
        if rung > 0 and (last or len(race.going_on()) > _FEW):
            race.run(race.going_on(), length, rung)
        race.drop_missed(1.0 if last else SLACK)
        if not last:
            race.cut()
    while not race.hold() and race.bring_back():
        race.run(race.going_on(), lengths[-1], len(lengths) - 1)
        race.drop_missed(1.0)
    return race.standings


@dataclass
class _Race:
    measure: Measure
    split: Split
    standings: dict[str, Standing]
    leader: str | None = None

    def going_on(self) -> list[str]:
        """Those still in, the best first."""
        names = [name for name, at in self.standings.items() if at.status == "going on"]
        return sorted(names, key=lambda name: -self.standings[name].value)

    def run(self, names: Sequence[str], length: float, rung: int) -> None:
        """Measure members part by part, each part along with the leader."""
        for part in self.split(names):
            told = [self.leader] if self.leader and self.leader not in part else []
            samples = self.measure([*told, *part], length, rung)
            base = self._base([*told, *part], samples)
            scale = self.standings[base].value or 1.0 if base else 1.0
            for name in part:
                self._note(name, samples[name], samples[base] if base else None, scale, rung)
            self._lead()

    def look_into(self, families: Sequence[Sequence[str]]) -> None:
        """Leave out the families whose plainest member failed or is far behind."""
        best = self.leader
        for family in families:
            plain = self.standings[family[0]]
            unable = plain.status == "failed"
            far = best is not None and plain.high * REACH < self.standings[best].low
            for name in family[1:]:
                if unable:
                    self._update(name, status="unable", against=family[0])
                elif far:
                    self._update(name, status="far", against=best)

    def drop_missed(self, slack: float) -> None:
        """Drop those whose constraints are missed by more than the slack."""
        for name in self.going_on():
            if self.standings[name].sample.worst > slack:
                self._update(name, status="missed")
        self._lead()

    def cut(self) -> None:
        """Keep the best third, and somewhat more where these cannot be told from the best."""
        names = self.going_on()
        least = max(ceil(len(names) / FACTOR), min(_FEW, len(names)))
        most = max(least, int(_MOST_KEPT * len(names)))
        if len(names) <= _FEW:
            return
        best = self.standings[names[0]]
        for place, name in enumerate(names):
            reaches = self.standings[name].high >= best.low
            if place >= most or (place >= least and not reaches):
                self._update(name, status="slower", against=names[0])

    def hold(self) -> bool:
        """Those still in have held out to the end; whether there are any."""
        names = self.going_on()
        for name in names:
            self._update(name, status="held")
        return bool(names)

    def bring_back(self) -> bool:
        """Let the best of those that were merely slower try again; whether there are any."""
        slower = [
            name
            for name, at in self.standings.items()
            if at.status == "slower" and at.sample.worst <= SLACK
        ]
        slower.sort(key=lambda name: -self.standings[name].value)
        for name in slower[:_FEW]:
            self._update(name, status="going on")
        return bool(slower)

    def _base(self, names: Sequence[str], samples: Mapping[str, Sample]) -> str | None:
        """What the others of a part are compared with: the leader, else whatever was measured."""
        measured = [name for name in names if samples[name].rounds]
        return self.leader if self.leader in measured else next(iter(measured), None)

    def _note(
        self, name: str, sample: Sample, base: Sample | None, scale: float, rung: int
    ) -> None:
        if not sample.rounds or base is None:
            self._update(name, status="failed", rung=rung, sample=sample)
            return
        value, low, high = (
            (1.0, 1.0, 1.0) if sample is base else low_percentile_ratio(base.rounds, sample.rounds)
        )
        self._update(
            name, rung=rung, sample=sample, value=scale * value, low=scale * low, high=scale * high
        )

    def _lead(self) -> None:
        """The best of those that keep their constraints leads; failing these, the best of all."""
        measured = [name for name, at in self.standings.items() if at.sample.rounds]
        keeping = [name for name in self.going_on() if name in measured]
        fit = [name for name in keeping if self.standings[name].sample.worst <= SLACK]
        self.leader = max(
            fit or keeping or measured, key=lambda name: self.standings[name].value, default=None
        )

    def _update(self, name: str, **changes: object) -> None:
        self.standings[name] = replace(self.standings[name], **changes)  # type: ignore[arg-type]
