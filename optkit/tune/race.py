"""Members that are measured side by side, and who of them goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from optkit.tune.standing import Sample, Standing, times_as_good

REACH = 1.5
"""How far behind the best a plain setting may be for its family to be looked into.

Settings brought at most 1.4 times the plain ones' speed (PyTorch's, frozen and in batches of 8),
1.1 times in OpenVINO.
"""

FACTOR = 3
"""Of how many one goes on, to be measured so many times as long."""

SLACK = 1.25
"""By how much a short measurement must miss a constraint to count."""

FEW = 2
"""So many are not cut down any further."""

_MOST_KEPT = 0.4

Measure = Callable[[Sequence[str], float, int], Mapping[str, Sample]]
"""Measures members side by side: their names, seconds for each, the rung."""

Identity = Callable[[str], str | None]
"""What a member comes to, as far as that can be told by now."""

Split = Callable[[Sequence[str]], Iterable[Sequence[str]]]
"""Parts that are few enough to be open at once."""


@dataclass
class Race:
    """The members' standings, and who leads.

    Attributes:
        measure: measures members side by side.
        split: parts of what is to be measured; the reference comes on top.
        standings: by member.
        leader: the reference of what is measured next; None before anything was.
    """

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

    def drop_doubles(self, identity: Identity) -> None:
        """Drop those that are another one under a second name.

        Of two the one that was measured stays; if both were, the better.
        """
        first: dict[str, str] = {}
        for name in sorted(self.going_on(), key=lambda name: self.standings[name].rung is None):
            own = identity(name)
            if own and first.setdefault(own, name) != name:
                self._update(name, status="same", against=first[own])

    def drop_missed(self, slack: float) -> None:
        """Drop those whose constraints are missed by more than the slack."""
        for name in self.going_on():
            if self.standings[name].sample.worst > slack:
                self._update(name, status="missed")
        self._lead()

    def cut(self) -> None:
        """Keep the best third, and somewhat more where these cannot be told from the best."""
        names = self.going_on()
        least = max(ceil(len(names) / FACTOR), min(FEW, len(names)))
        most = max(least, int(_MOST_KEPT * len(names)))
        if len(names) <= FEW:
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
        for name in slower[:FEW]:
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
        value, low, high = times_as_good(own, samples[base])
        beside = samples[companion] if companion else Sample()
        over = times_as_good(own, beside) if beside.rounds else self.standings[name].over
        self._update(name, rung=rung, sample=own, value=value, low=low, high=high, over=over)

    def _beside(self, parts: Sequence[Sequence[str]]) -> dict[str, float]:
        """The upper end of how many times as good each is as the best of its part."""
        found: dict[str, float] = {}
        for part in parts:
            ran = [name for name in part if self.standings[name].sample.rounds]
            best = max(ran, key=lambda name: self.standings[name].value, default="")
            for name in ran:
                own, other = self.standings[name].sample, self.standings[best].sample
                found[name] = times_as_good(own, other)[2]
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
