"""All that quantizing one network takes, and what is worked out of it once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.quantization import moments
from optkit.quantization.collect import collect
from optkit.quantization.judge import Rate, Reference, remember
from optkit.quantization.ranges import widen
from optkit.quantization.revert import NONE, Bounds, Remember

if TYPE_CHECKING:
    from optkit.core.samples import Samples
    from optkit.quantization.candidates import Candidate, Wishes
    from optkit.quantization.moments import Moments
    from optkit.quantization.ranges import Statistics
    from optkit.quantization.sites import Sites
    from optkit.quantization.tools import Tools

_HELD = 32
"""Samples held back at most; they tell the best candidate well (rank correlation 0.95)."""

Progress = Callable[[int, "int | None"], None]
Peer = Callable[["Candidate", "Samples", Collection[str]], Any]


@dataclass(frozen=True)
class Job:
    """All that quantizing a network takes.

    Attributes:
        tools: how the format's models are handled.
        model: the network in floating point; it stays as it is.
        samples: the calibration samples; a part is held back where candidates are judged.
        wishes: what to try.
        bounds: what the result has to hold.
        scratch: a folder to work in.
        ignored: names of operations that stay in floating point.
        peer: the other engine: the model that it makes of a candidate, without these operations.
        trained: moments of what tensors held in training, by key, as far as BatchNorm tells.
        free: whether the samples are made up, so that ranges come from `trained` where they can.
        rate: scores a prediction; its first argument is the sample's index among all samples.
        batch: a large batch that the result will serve; None where the batch is fixed.
        progress: called with (done, total).
        remember: keeps what was learned at length.
    """

    tools: Tools
    model: Any
    samples: Samples
    wishes: Wishes
    scratch: Path
    peer: Peer
    bounds: Bounds = NONE
    ignored: frozenset[str] = frozenset()
    trained: Mapping[str, Moments] = field(default_factory=dict)
    free: bool = False
    rate: Rate | None = None
    batch: int | None = None
    progress: Progress = lambda *_: None
    remember: Remember = lambda _, compute: compute()

    @property
    def judged(self) -> bool:
        """Whether candidates are held against each other, or against bounds."""
        return self.wishes.effort != "fast" or bool(self.bounds)

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

    @property
    def _held(self) -> int:
        return min(_HELD, max(len(self.samples) // 4, 1)) if self.judged else 0

    @cached_property
    def sites(self) -> Sites:
        """What is quantized."""
        return self.tools.find_sites(self.model, self.ignored)

    @cached_property
    def statistics(self) -> Mapping[str, Statistics]:
        """Of every tensor that is quantized: collected once, for all candidates.

        Where samples are made up, what BatchNorm tells widens them.
        """
        first = self.wishes.effort == "fast"  # then the first of each choice alone is built
        estimators = self.wishes.estimators[: 1 if first else None]
        corrections = self.wishes.corrections[: 1 if first else None]
        seen = collect(
            self.tools, self.model, self.sites, self.calibration, len(self.calibration),
            means="fast" in corrections,
            values=not set(estimators) <= {"minmax", "mean_minmax"},
            progress=self.progress,
        )  # fmt: skip
        if not self.free:
            return seen
        channels = {point.key: point.per_channel for point in self.sites.points}
        for key in seen.keys() & self.trained.keys():
            known = self.trained[key]
            ends = moments.ends(known, channels=channels[key]) if key in channels else None
            widen(seen[key], ends, known.mean)
        return seen

    @cached_property
    def reference(self) -> Reference:
        """The network's own outputs on the samples held back."""
        rate, offset = self.rate, len(self.samples) - len(self.held)
        shifted: Rate | None = None
        if rate is not None:
            shifted = lambda at, got, own: rate(at + offset, got, own)  # noqa: E731
        folder = self.scratch / "reference"
        return remember(self.tools, self.model, self.held, folder, shifted)
