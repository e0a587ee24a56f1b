"""Successive halving: short measurements of all, longer ones of those that may yet be the best.

It knows names and samples alone. Members of a family differ in how they run; the first of each is
its plainest. A family whose plainest member is far behind is not looked into: settings do not make
that good. Each later rung is three times as long as the one before, for a third of the members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Literal

from optkit.core.stats import Rounds, paired_ratio

REACH = 1.5
"""How far behind the best a plain setting may be for its family to be looked into.

Settings brought at most 1.4 times the plain ones' speed (PyTorch's, frozen and in batches of 8),
1.1 times in OpenVINO.
"""

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
        sittings: how many of the rounds each loading of the models had.
        error: why it failed.
        excess: for each constraint, its figure over its bound, turned so that above 1 is a miss.
    """

    rounds: Rounds = ()
    sittings: Sequence[int] = ()
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
        value: how many times as good as that rung's reference it is.
        low: the lower end of the 95 % interval of that.
        high: its upper end.
        sample: its last one.
        against: what it fell behind.
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


Measure = Callable[[Sequence[str], float, int], Mapping[str, Sample]]
"""Measures members side by side: their names, seconds for each, the rung."""

Split = Callable[[Sequence[str]], Iterable[Sequence[str]]]
"""Parts that are few enough to be open at once."""


def rung_seconds(seconds: float) -> list[float]:
    """How long each member is measured in each rung; the last takes the full time."""
    lengths = [seconds / FACTOR**at for at in reversed(range(RUNGS))]
    return [length for length in lengths[:-1] if length >= SHORTEST] + [seconds]


def search(
    families: Sequence[Sequence[str]],
    measure: Measure,
    split: Split,
    seconds: float,
    companion: str | None = None,
) -> dict[str, Standing]:
    """Find the best member that keeps its constraints, by ever longer measurements of ever fewer.

    The members of a rung are compared by their ratios, round by round, to one reference, the
    leader of the rung before, which is measured along with each part: so the machine's ups and
    downs meet both, and the luck that made it the leader favours nobody.

    Args:
        families: names of members, the plainest of each family first.
        measure: called once for each part.
        split: parts of what a rung measures; the reference comes on top.
        seconds: of the last rung.
        companion: measured along for comparison, once: in the first rung after the plain ones; it
            may be a member.

    Returns:
        Every member's standing; of those that `held`, the one of the highest value is the best.
    """
    race = _Race(measure, split, {name: Standing() for family in families for name in family})
    lengths = rung_seconds(seconds)
    final = len(lengths) - 1
    plain = [family[0] for family in families]
    if len(plain) < len(race.standings):
        parts = race.run(plain, lengths[0], 0)
        race.look_into(families, parts)
    for rung, length in enumerate(lengths):
        names = race.unmeasured() if rung == 0 < final else race.going_on()
        if rung in {0, final} or len(names) > _FEW:
            race.run(names, length, rung, companion if rung or not final else None)
        race.drop_missed(1.0 if rung == final else SLACK)
        if rung < final:
            race.cut()
    while not race.hold() and race.bring_back():
        race.run(race.going_on(), lengths[-1], final, companion)
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

    def unmeasured(self) -> list[str]:
        """Those that are still in and were not measured yet."""
        return [name for name in self.going_on() if self.standings[name].rung is None]

    def run(
        self, names: Sequence[str], length: float, rung: int, companion: str | None = None
    ) -> list[Sequence[str]]:
        """Measure members part by part, each along with the reference; returns the parts."""
        reference, parts = self.leader, list(self.split(names))
        if all(self.standings[name].over for name in names):
            companion = None
        for part in parts:
            wanted = dict.fromkeys(name for name in (reference, *part, companion) if name)
            samples = self.measure(list(wanted), length, rung)
            measured = [name for name in wanted if samples[name].rounds]
            base = reference if reference in measured else next(iter(measured), None)
            for name in part:
                self._note(name, samples, base, companion, rung)
            reference = reference or base
        self._lead()
        return parts

    def look_into(self, families: Sequence[Sequence[str]], parts: Sequence[Sequence[str]]) -> None:
        """Leave out the families whose plainest member failed or is far behind.

        Far behind the leader, or behind the best of its part: these two had their rounds in common,
        which tells more than either's ratio to the reference.

        The leader is the reference of what is measured from here on: the others' values are told
        by it from now on.
        """
        best = self.leader
        by = self.standings[best].value if best else 1.0
        for name, at in self.standings.items():
            self._update(name, value=at.value / by, low=at.low / by, high=at.high / by)
        beside = self._beside(parts)
        for family in families:
            plain = self.standings[family[0]]
            unable = plain.status == "failed"
            far = best is not None and (
                beside.get(family[0], inf) * REACH < 1
                or plain.high * REACH < self.standings[best].low
            )
            if far and not unable:  # to load it again would cost more than it can tell
                self._update(family[0], status="slower", against=best)
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
        slower.sort(key=self._place)
        for name in slower[:_FEW]:
            self._update(name, status="going on")
        return bool(slower)

    def _note(
        self,
        name: str,
        samples: Mapping[str, Sample],
        base: str | None,
        companion: str | None,
        rung: int,
    ) -> None:
        own = samples[name]
        if not own.rounds or base is None:
            self._update(name, status="failed", rung=rung, sample=own)
            return
        value, low, high = _times_as_good(own, samples[base])
        beside = samples[companion] if companion else Sample()
        over = _times_as_good(own, beside) if beside.rounds else self.standings[name].over
        self._update(name, rung=rung, sample=own, value=value, low=low, high=high, over=over)

    def _beside(self, parts: Sequence[Sequence[str]]) -> dict[str, float]:
        """The upper end of how many times as good each is as the best of its part."""
        found: dict[str, float] = {}
        for part in parts:
            ran = [name for name in part if self.standings[name].sample.rounds]
            best = max(ran, key=lambda name: self.standings[name].value, default="")
            for name in ran:
                own, other = self.standings[name].sample, self.standings[best].sample
                found[name] = _times_as_good(own, other)[2]
        return found

    def _lead(self) -> None:
        """The best of those that keep their constraints leads; failing these, the best of all."""
        measured = [name for name, at in self.standings.items() if at.sample.rounds]
        keeping = [name for name in self.going_on() if name in measured]
        fit = [name for name in keeping if self.standings[name].sample.worst <= SLACK]
        self.leader = min(fit or keeping or measured, key=self._place, default=None)

    def _place(self, name: str) -> tuple[int, float]:
        """Those that came further first, then the better; values of two rungs do not compare."""
        at = self.standings[name]
        return -(at.rung or 0), -at.value

    def _update(self, name: str, **changes: object) -> None:
        self.standings[name] = replace(self.standings[name], **changes)  # type: ignore[arg-type]


def _times_as_good(own: Sample, other: Sample) -> tuple[float, float, float]:
    return (1.0, 1.0, 1.0) if own is other else paired_ratio(other.rounds, own.rounds, own.sittings)
