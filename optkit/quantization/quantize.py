"""INT8 by measurement: candidates are built, judged on samples held back, and the best is taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError
from optkit.quantization.bias_correction import measured_shifts
from optkit.quantization.candidates import Candidate, Trial, Wishes, first, ranked, search
from optkit.quantization.collect import collect, means_of, ranges_of
from optkit.quantization.judge import Rate, Reference, Score, judge, remember
from optkit.quantization.rounding import HALF

if TYPE_CHECKING:
    from optkit.core.samples import Samples
    from optkit.quantization.ranges import Statistics
    from optkit.quantization.sites import Sites
    from optkit.quantization.tools import Tools

_HELD = 32
"""Samples held back at most; they tell the best candidate well (rank correlation 0.95)."""

_MOST_WORK = 1e12
"""Multiply-adds that a full bias correction may cost at `balanced`."""

Progress = Callable[[int, "int | None"], None]
Peer = Callable[[Candidate, "Samples", Collection[str]], Any]


@dataclass(frozen=True)
class Job:
    """All that quantizing a network takes.

    Attributes:
        tools: how the format's models are handled.
        model: the network in floating point; it stays as it is.
        samples: the calibration samples; a part is held back where candidates are judged.
        wishes: what to try.
        scratch: a folder to work in.
        ignored: names of operations that stay in floating point.
        peer: the other engine: the model that it makes of a candidate.
        derived: statistics of tensors that are known without samples, by key.
        rate: scores a prediction; its first argument is the sample's index among all samples.
        progress: called with (done, total).
    """

    tools: Tools
    model: Any
    samples: Samples
    wishes: Wishes
    scratch: Path
    ignored: frozenset[str]
    peer: Peer
    derived: Mapping[str, Statistics] = field(default_factory=dict)
    rate: Rate | None = None
    progress: Progress = lambda done, total: None

    @cached_property
    def judged(self) -> bool:
        """Whether candidates are held against each other."""
        return self.wishes.effort != "fast"

    @cached_property
    def calibration(self) -> Samples:
        """The samples that ranges come from."""
        count = len(self.samples)
        return self.samples.part(0, count - self._held) if count > 1 else self.samples

    @cached_property
    def held(self) -> Samples:
        """The samples that candidates are judged on; the same where there is but one."""
        count = len(self.samples)
        return self.samples.part(count - max(self._held, 1), count)

    @cached_property
    def _held(self) -> int:
        return min(_HELD, max(len(self.samples) // 4, 1)) if self.judged else 0

    @cached_property
    def sites(self) -> Sites:
        """What is quantized."""
        return self.tools.find_sites(self.model, self.ignored)

    @cached_property
    def statistics(self) -> Mapping[str, Statistics]:
        """Of every tensor that is quantized: collected once, for all candidates."""
        plain = set(self.wishes.estimators) <= {"minmax", "mean_minmax"} and (
            self.wishes.corrections[:1] == ("none",) or set(self.wishes.corrections) == {"full"}
        )
        seen = collect(
            self.tools, self.model, self.sites, self.calibration, len(self.calibration),
            extremes_alone=plain, progress=self.progress,
        )  # fmt: skip
        return {**seen, **{key: item for key, item in self.derived.items() if key in seen}}

    @cached_property
    def reference(self) -> Reference:
        """The network's own outputs on the samples held back."""
        rate, offset = self.rate, len(self.samples) - len(self.held)
        shifted = None if rate is None else lambda at, output: rate(at + offset, output)
        folder = self.scratch / "reference"
        return remember(self.tools, self.model, self.held, folder, shifted)


@dataclass(frozen=True)
class Made:
    """The best model, how it was made, and what else was tried, best first."""

    model: Any
    candidate: Candidate
    score: Score | None
    trials: tuple[Trial, ...]
    held: int = 0

    def details(self) -> dict[str, Any]:
        """For the manifest: the choice, and what every candidate scored."""
        told: dict[str, Any] = {"chosen": str(self.candidate)}
        if self.score is None:
            return told
        tried = [
            {"candidate": str(item.candidate)}
            | (item.score.to_json() if item.score else {"refused": item.refusal})
            for item in self.trials
        ]
        return told | {"held_back": self.held, **self.score.to_json(), "tried": tried}


def quantize(job: Job) -> Made:
    """The model in 8 bits that comes closest to the network on the samples held back.

    Raises:
        OptkitError: no candidate could be built.
    """
    if not job.judged:
        candidate = first(job.wishes)
        return Made(build(job, candidate), candidate, None, ())
    best: dict[str, Any] = {}
    wishes = affordable(job)

    def attempt(candidate: Candidate) -> Trial:
        try:
            model = build(job, candidate)
        except OptkitError as error:
            return Trial(candidate, None, error.message)
        score = judge(job.tools, model, job.reference)
        if not best or score.sqnr_db > best["score"].sqnr_db:
            best.update(score=score, model=model, candidate=candidate)
        return Trial(candidate, score)

    trials = search(wishes, attempt)
    if not ranked(trials):
        raise OptkitError(
            f"no way to quantize was found: {trials[0].refusal}", "-v shows the libraries' own log"
        )
    winner = trials[0]
    return Made(best["model"], winner.candidate, winner.score, tuple(trials), len(job.held))


def affordable(job: Job) -> Wishes:
    """What is tried: a full bias correction runs the network for each layer, so not on large ones.

    The bound is on multiply-adds, not on time, so that the same is tried on every machine.
    """
    wishes, layers = job.wishes, job.sites.layers
    work = sum(layer.cost for layer in layers) * len(layers) * len(job.calibration)
    if wishes.effort == "thorough" or len(wishes.corrections) == 1 or work <= _MOST_WORK:
        return wishes
    return replace(wishes, corrections=tuple(c for c in wishes.corrections if c != "full"))


def build(job: Job, candidate: Candidate, ignored: Collection[str] = ()) -> Any:
    """The model that a candidate gives, without the operations of `ignored` and of the job."""
    if candidate.engine == "nncf":
        return job.peer(candidate, job.calibration, [*job.ignored, *ignored])
    sites = job.tools.find_sites(job.model, {*job.ignored, *ignored}) if ignored else job.sites
    if not sites.layers:
        raise OptkitError("no operation of this network can be quantized")
    seen = job.statistics
    ranges = ranges_of(sites.points, seen, candidate.estimator, symmetric=candidate.symmetric)
    tops = {"none": [], "first_layer": sites.layers[:1], "all": sites.layers}[candidate.overflow]
    halved = {layer.name: HALF for layer in tops}

    def insert(**more: Any) -> Any:
        return job.tools.inserted(job.model, sites, ranges, tops=halved, **more)

    if candidate.correction == "fast":
        return insert(means=means_of(seen))
    if candidate.correction == "full":
        shifts = measured_shifts(
            job.tools, job.model, sites, job.calibration, lambda shifts: insert(shifts=shifts)
        )
        return insert(shifts=shifts)
    return insert()
