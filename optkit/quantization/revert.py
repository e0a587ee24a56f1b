"""Accuracy-aware quantization: the fewest and cheapest layers go back until a bound holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from optkit.quantization.judge import Score

Judge = Callable[[frozenset[str]], Score]
"""Scores the model in which these layers stay in floating point."""

Remember = Callable[[Any, Callable[[], Any]], Any]
"""What the function gives for a question, now or in an earlier run that was killed."""


@dataclass(frozen=True)
class Bounds:
    """What a quantized model must hold.

    Attributes:
        min_sqnr_db: on the outputs.
        max_drop: of the metric.
    """

    min_sqnr_db: float | None = None
    max_drop: float | None = None

    def __bool__(self) -> bool:
        return self.min_sqnr_db is not None or self.max_drop is not None

    def hold(self, score: Score) -> bool:
        """Whether a score keeps to all of them; NaN keeps to none."""
        return all(row["held"] for row in self.rows(score))

    def rows(self, score: Score) -> list[dict[str, Any]]:
        """Each bound with what was reached, as gates are told."""
        rows = []
        if self.min_sqnr_db is not None:
            value = score.to_json()["sqnr_db"]
            held = score.sqnr_db >= self.min_sqnr_db
            rows.append(_row("min_sqnr_db", f">= {self.min_sqnr_db:g}", value, held=held))
        if self.max_drop is not None:
            held = score.drop is not None and score.drop <= self.max_drop
            rows.append(_row("max_drop", f"<= {self.max_drop:g}", score.drop, held=held))
        return rows


NONE = Bounds()


@dataclass(frozen=True)
class Reverted:
    """The layers that went back, and what the model scores without them."""

    layers: tuple[str, ...]
    score: Score
    ranking: tuple[tuple[str, float], ...]


def revert(
    layers: Sequence[tuple[str, int]],
    start: Score,
    bounds: Bounds,
    judge: Judge,
    remember: Remember,
) -> Reverted:
    """Find the layers that have to stay in floating point.

    Layers are ranked by what the outputs gain when each alone goes back. The shortest part of the
    ranking that meets the bounds is found by bisection; then each of its layers, the costly first,
    is quantized again where the bounds hold without it. One layer at least stays in 8 bits.

    Args:
        layers: name and cost of each layer that is quantized.
        start: what the model scores with all of them quantized.
        bounds: what is to hold.
        judge: scores the model in which these layers stay in floating point.
        remember: keeps each score, so that a run that was killed goes on where it was.
    """
    costs = dict(layers)

    def score(kept: frozenset[str]) -> Score:
        found = remember(sorted(kept), lambda: _packed(judge(kept)))
        return _unpacked(found)

    gains = {name: score(frozenset({name})).sqnr_db - start.sqnr_db for name, _ in layers}
    order = sorted(costs, key=lambda name: (-gains[name], costs[name], name))
    ranking = tuple((name, gains[name]) for name in order)
    low, high, best = 0, len(order) - 1, (start, frozenset[str]())
    while low < high:  # the length: at `low` the bounds do not hold, at `high` they may
        middle = (low + high + 1) // 2 if high - low > 1 else high
        kept = frozenset(order[:middle])
        found = score(kept)
        if bounds.hold(found):
            best, high = (found, kept), middle
            if high - low <= 1:
                break
        else:
            if not bounds.hold(best[0]) and found.sqnr_db > best[0].sqnr_db:
                best = (found, kept)
            low = middle
    found, kept = best
    if bounds.hold(found):
        for name in sorted(kept, key=lambda name: (-costs[name], name)):
            fewer = kept - {name}
            without = score(fewer)
            if bounds.hold(without):
                found, kept = without, fewer
    return Reverted(tuple(name for name in order if name in kept), found, ranking)


def _row(name: str, bound: str, value: float | None, *, held: bool) -> dict[str, Any]:
    return {"name": name, "bound": bound, "value": value, "held": held}


def _packed(score: Score) -> list[float | str | None]:
    """JSON has no infinities."""
    return [str(score.sqnr_db), score.drop]


def _unpacked(found: list[Any]) -> Score:
    return Score(float(found[0]), found[1])
