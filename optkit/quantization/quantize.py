"""INT8 by measurement: candidates are built, judged on samples held back, and the best is taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from optkit.core.errors import OptkitError
from optkit.quantization.bias_correction import measured_shifts
from optkit.quantization.candidates import Candidate, Trial, Wishes, first, ranked, search
from optkit.quantization.collect import means_of, ranges_of
from optkit.quantization.job import Job
from optkit.quantization.judge import Score, judge
from optkit.quantization.revert import Reverted, revert
from optkit.quantization.rounding import HALF
from optkit.quantization.served import holds_in_batches

_MOST_WORK = 1e12
"""Multiply-adds that a full bias correction may cost at `balanced`."""


@dataclass(frozen=True)
class Made:
    """The best model, how it was made, and what else was tried, best first.

    Attributes:
        model: in 8 bits.
        candidate: how it was made.
        score: on the samples held back; None where nothing was judged.
        trials: what was tried.
        held: how many samples were held back.
        reverted: the layers that went back to floating point, where a bound was given.
        batch: the large batch that it was checked at too, and its score there.
    """

    model: Any
    candidate: Candidate
    score: Score | None = None
    trials: tuple[Trial, ...] = ()
    held: int = 0
    reverted: Reverted | None = None
    batch: tuple[int, Score] | None = None


def quantize(job: Job) -> Made:
    """The model in 8 bits that comes closest to the network on the samples held back.

    Where it misses the job's bounds, the layers that cost most of the quality go back.

    Raises:
        OptkitError: no candidate could be built.
    """
    if not job.judged:
        candidate = first(job.wishes)
        return Made(build(job, candidate), candidate)
    kept: dict[Candidate, Any] = {}

    def attempt(candidate: Candidate) -> Trial:
        try:
            model = build(job, candidate)
        except OptkitError as error:
            if candidate.engine == job.wishes.engines[0]:
                raise
            return Trial(candidate, None, error.message)
        score = judge(job.tools, model, job.reference)
        if all(score.sqnr_db > other.sqnr_db for _, other in kept.values()):
            kept.clear()
            kept[candidate] = model, score
        return Trial(candidate, score)

    trials = search(affordable(job), attempt)
    made = _first_that_holds(job, trials, kept)
    if job.bounds and made.score is not None and not job.bounds.hold(made.score):
        return _reverted(job, made)
    return made


def build(job: Job, candidate: Candidate, ignored: Collection[str] = ()) -> Any:
    """The model that a candidate gives, without the operations of `ignored` and of the job."""
    if candidate.engine == "nncf":
        return job.peer(candidate, job.calibration, ignored)
    sites = job.tools.find_sites(job.model, {*job.ignored, *ignored}) if ignored else job.sites
    if not sites.layers and not ignored:
        raise OptkitError(
            "no operation of this network can be quantized: those that carry weights are in "
            "ignored_scope, in loops and branches, or have computed weights",
            "leave the pass out, or use another precision",
        )
    seen = job.statistics
    ranges = ranges_of(
        sites.points, seen, candidate.estimator,
        margin=candidate.margin, symmetric=candidate.symmetric,
    )  # fmt: skip
    tops = {"first_layer": sites.layers[:1], "all": sites.layers}.get(candidate.overflow, ())
    halved, paired = {layer.name: HALF for layer in tops}, candidate.overflow == "pairs"

    def insert(**more: Any) -> Any:
        return job.tools.inserted(job.model, sites, ranges, tops=halved, paired=paired, **more)

    if candidate.correction == "fast":
        return insert(means=means_of(seen))
    if candidate.correction == "full":
        shifts = measured_shifts(
            job.tools, job.model, sites, job.calibration, lambda shifts: insert(shifts=shifts)
        )
        return insert(shifts=shifts)
    return insert()


def affordable(job: Job) -> Wishes:
    """What is tried: a full bias correction runs the network for each layer, so not on large ones.

    The bound is on multiply-adds, not on time, so that the same is tried on every machine.
    """
    wishes, layers = job.wishes, job.sites.layers
    work = sum(layer.cost for layer in layers) * len(layers) * len(job.calibration)
    if wishes.effort == "thorough" or len(wishes.corrections) == 1 or work <= _MOST_WORK:
        return wishes
    return replace(wishes, corrections=tuple(c for c in wishes.corrections if c != "full"))


def _first_that_holds(job: Job, trials: list[Trial], kept: dict[Candidate, Any]) -> Made:
    """The best trial whose outputs are as close in the largest batch that it will serve."""
    held = len(job.held)
    for trial in ranked(trials):
        known = kept.get(trial.candidate)
        model = build(job, trial.candidate) if known is None else known[0]
        made = Made(model, trial.candidate, trial.score, tuple(trials), held)
        if job.batch is None or trial.score is None:
            return made
        fine, score = holds_in_batches(job, model, trial.score)
        if fine:
            return replace(made, batch=(job.batch, score))
    raise OptkitError(
        f"no candidate of {len(trials)} gives the outputs of the network",
        "-v shows the libraries' own log; effort: fast takes one without judging it",
    )


def _reverted(job: Job, made: Made) -> Made:
    """The model with the layers in floating point that the bounds need."""
    chosen = made.candidate
    own = [
        item.candidate for item in ranked(list(made.trials)) if item.candidate.engine == "optkit"
    ]
    if own:  # NNCF would collect its statistics anew for each layer
        chosen = own[0]
    start = next(item.score for item in made.trials if item.candidate == chosen)
    assert start is not None
    layers = [(layer.name, layer.cost) for layer in job.sites.layers]

    def score(ignored: frozenset[str]) -> Score:
        return judge(job.tools, build(job, chosen, ignored), job.reference)

    done = revert(
        layers, start, job.bounds, score,
        lambda kept, compute: job.remember([str(chosen), kept], compute),
    )  # fmt: skip
    return replace(
        made, model=build(job, chosen, done.layers), candidate=chosen, score=done.score,
        reverted=done, batch=None,
    )  # fmt: skip
