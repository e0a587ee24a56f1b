"""Candidates: the ways to quantize that are tried, in turn, each varying the best so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from optkit.quantization.judge import Score


@dataclass(frozen=True)
class Candidate:
    """One way to quantize.

    Attributes:
        engine: `optkit` or `nncf`.
        estimator: of the ranges of activations, a word of `ESTIMATORS`.
        margin: what ranges are widened by, beyond what samples showed.
        symmetric: whether ranges of activations with both signs are made symmetric.
        correction: of biases: `none`, `fast` (from the rounding of the weights), `full` (measured).
        overflow: how weights keep sums of products within 16 bits: not (`none`), by scales that
            no two beside each other exceed (`pairs`), by half the integers in the `first_layer` or
            in `all`.
        smooth: whether SmoothQuant moves scales from activations into weights (NNCF alone).
    """

    engine: str = "optkit"
    estimator: str = "minmax"
    margin: float = 1.0
    symmetric: bool = True
    correction: str = "none"
    overflow: str = "none"
    smooth: bool = False

    def __str__(self) -> str:
        words = [self.engine, self.estimator]
        words += [f"margin {self.margin:g}"] if self.margin != 1 else []
        words += ["symmetric" if self.symmetric else "asymmetric"]
        words += [f"{self.correction} bias correction"] if self.correction != "none" else []
        words += [f"overflow fix {self.overflow}"] if self.overflow != "none" else []
        return ", ".join(words + (["SmoothQuant"] if self.smooth else []))


@dataclass(frozen=True)
class Wishes:
    """What of a candidate the user leaves open, in the order it is tried; one value is a demand.

    Attributes:
        effort: `fast` takes the first of each and tries nothing.
    """

    engines: tuple[str, ...]
    estimators: tuple[str, ...]
    margins: tuple[float, ...]
    symmetric: tuple[bool, ...]
    corrections: tuple[str, ...]
    overflows: tuple[str, ...] = ("none",)
    smooth: tuple[bool, ...] = (False,)
    effort: str = "balanced"


@dataclass(frozen=True)
class Trial:
    """A candidate and how close it came; no score where it could not be built."""

    candidate: Candidate
    score: Score | None
    refusal: str = ""


Try = Callable[[Candidate], Trial]


def first(wishes: Wishes, engine: str = "") -> Candidate:
    """The candidate that is taken where none is tried."""
    engine = engine or wishes.engines[0]
    return Candidate(
        engine,
        wishes.estimators[0],
        1.0 if engine == "nncf" else wishes.margins[0],
        wishes.symmetric[0],
        wishes.corrections[0],
        _overflows(wishes, engine)[0],
        wishes.smooth[0] if engine == "nncf" else False,
    )


def search(wishes: Wishes, attempt: Try) -> list[Trial]:
    """Try candidates; best first, of equal ones the earlier.

    `balanced` varies one thing after the other and keeps what was best; `thorough` tries every
    combination of estimator, symmetry and correction.
    """
    trials: dict[Candidate, Trial] = {}
    if wishes.effort == "fast":
        return [attempt(first(wishes))]
    for engine in wishes.engines:
        start = replace(first(wishes, engine), smooth=False)
        _attempt(trials, attempt, start)
        if engine == "nncf" and True in wishes.smooth:
            _attempt(trials, attempt, replace(start, smooth=True))
        for vary in _stages(wishes, engine):
            best = ranked([item for item in trials.values() if item.candidate.engine == engine])
            base = best[0].candidate if best else start
            for candidate in vary(base):
                _attempt(trials, attempt, candidate)
    return ranked(list(trials.values())) + [item for item in trials.values() if item.score is None]


def ranked(trials: list[Trial]) -> list[Trial]:
    """Those that could be built, best first."""
    built = [item for item in trials if item.score is not None]
    return sorted(built, key=lambda item: -item.score.sqnr_db if item.score else 0.0)


def _overflows(wishes: Wishes, engine: str) -> tuple[str, ...]:
    """`pairs` is optkit's own."""
    known = tuple(word for word in wishes.overflows if engine != "nncf" or word != "pairs")
    return known or ("none",)


def _attempt(trials: dict[Candidate, Trial], attempt: Try, candidate: Candidate) -> None:
    if candidate not in trials:
        trials[candidate] = attempt(candidate)


def _stages(wishes: Wishes, engine: str) -> Iterator[Callable[[Candidate], list[Candidate]]]:
    def each(key: str, values: tuple[Any, ...]) -> Callable[[Candidate], list[Candidate]]:
        return lambda base: [replace(base, **{key: value}) for value in values]

    if wishes.effort == "thorough":
        margins = (1.0,) if engine == "nncf" else wishes.margins
        yield lambda base: [
            replace(
                base, estimator=estimator, margin=margin, symmetric=symmetric, correction=correction
            )
            for estimator in wishes.estimators
            for margin in margins
            for symmetric in wishes.symmetric
            for correction in wishes.corrections
        ]
    elif engine == "nncf":
        yield each(
            "estimator", tuple(w for w in wishes.estimators if w in {"minmax", "mean_minmax"})
        )
        yield each("correction", wishes.corrections)
        yield each("symmetric", wishes.symmetric)
    else:
        yield each("margin", wishes.margins)
        yield each("symmetric", wishes.symmetric)
        yield each("estimator", wishes.estimators)
        yield each("correction", wishes.corrections)
    yield each("overflow", _overflows(wishes, engine))
