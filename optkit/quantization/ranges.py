"""Ranges of activations: statistics of one pass over the samples, and what estimators make of them.

All estimators share the statistics. What is kept of a tensor is bounded, however many samples
there are: extremes and means for each sample, and a few thousand values drawn evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_DRAWN = 1 << 15
"""Values kept of a tensor, over all samples."""

LEVELS = 256


@dataclass(frozen=True)
class Range:
    """The ends of what a tensor's integers stand for; arrays where each channel has its own."""

    low: np.ndarray
    high: np.ndarray


@dataclass
class Statistics:
    """What is known of one tensor; filled sample by sample.

    Attributes:
        lows: the least value of each sample, an array where channels have ranges of their own.
        highs: the largest.
        drawn: some values of each sample.
        sums: the sum over all samples of the mean along each channel; None where not needed.
        count: samples seen.
    """

    lows: list[np.ndarray] = field(default_factory=list)
    highs: list[np.ndarray] = field(default_factory=list)
    drawn: list[np.ndarray] = field(default_factory=list)
    sums: np.ndarray | None = None
    count: int = 0

    @property
    def low(self) -> np.ndarray:
        """The least value of all."""
        import numpy as np

        return np.asarray(np.min(self.lows, axis=0))

    @property
    def high(self) -> np.ndarray:
        """The largest value of all."""
        import numpy as np

        return np.asarray(np.max(self.highs, axis=0))

    @property
    def mean(self) -> np.ndarray | None:
        """The mean along each channel."""
        return None if self.sums is None else self.sums / self.count


def watch_ends(into: Statistics, lows: np.ndarray, highs: np.ndarray, *, channels: bool) -> None:
    """Add the extremes of one sample, given a tensor or what is left of it after reducing.

    Args:
        into: what is known so far.
        lows: the tensor, or least values of it.
        highs: the tensor, or largest values of it.
        channels: whether each channel along axis 1 has a range of its own.
    """
    import numpy as np

    others = tuple(axis for axis in range(lows.ndim) if axis != 1) if channels else None
    into.lows.append(np.asarray(lows.min(axis=others), np.float32))
    into.highs.append(np.asarray(highs.max(axis=others), np.float32))


def watch_mean(into: Statistics, means: np.ndarray, axis: int) -> None:
    """Add the means of one sample along an axis, given a tensor or its means."""
    import numpy as np

    along = tuple(other for other in range(means.ndim) if other != axis % means.ndim)
    seen = means.mean(axis=along, dtype=np.float64)
    into.sums = seen if into.sums is None else into.sums + seen


def watch_values(into: Statistics, value: np.ndarray, samples: int) -> None:
    """Keep some values of one sample, of `samples` that there will be."""
    import numpy as np

    flat, budget = value.reshape(-1), max(_DRAWN // samples, 16)
    step = max(flat.size // budget, 1) | 1  # odd: not always the same channel
    into.drawn.append(flat[into.count % step :: step][:budget].astype(np.float32))


def widen(into: Statistics, ends: tuple[np.ndarray, np.ndarray] | None, mean: np.ndarray) -> None:
    """Widen what samples showed of a tensor to what is known without them.

    Args:
        into: what samples showed.
        ends: least and largest value, as `into` has them; None where no range is wanted.
        mean: along each channel; it takes the place of the samples'.
    """
    import numpy as np

    if ends is not None:
        into.lows = [np.minimum(into.low, ends[0]).astype(np.float32)]
        into.highs = [np.maximum(into.high, ends[1]).astype(np.float32)]
        into.drawn = []
    if into.sums is not None:
        into.sums = mean * into.count


Estimator = Callable[[Statistics], tuple["np.ndarray", "np.ndarray"]]


def minmax(seen: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value: nothing is clipped."""
    return seen.low, seen.high


def mean_minmax(seen: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """The extremes of a sample, on average."""
    import numpy as np

    return np.mean(seen.lows, axis=0), np.mean(seen.highs, axis=0)


def percentile(seen: Statistics, share: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """All but `share` of the values on each side; minmax for channels with ranges of their own."""
    import numpy as np

    if seen.low.ndim or not seen.drawn:
        return minmax(seen)
    values = np.concatenate(seen.drawn)
    low, high = np.quantile(values, [share, 1 - share])
    return np.asarray(low, np.float32), np.asarray(high, np.float32)


def least_error(seen: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """The share of the extremes that rounds and clips the drawn values with the least error."""
    import numpy as np

    low, high = seen.low, seen.high
    if low.ndim or not seen.drawn:
        return low, high
    values = np.concatenate(seen.drawn).astype(np.float64)
    best, share = np.inf, 1.0
    for trial in np.linspace(1.0, 0.5, 26):
        step = max((high - low) * trial / (LEVELS - 1), 1e-12)
        clipped = values.clip(low * trial, high * trial)
        rounded = np.rint(clipped / step) * step
        error = float(np.square(rounded - values).mean())
        if error < best:
            best, share = error, float(trial)
    return low * share, high * share


ESTIMATORS: Mapping[str, Estimator] = {
    "minmax": minmax, "mean_minmax": mean_minmax, "percentile": percentile,
    "least_error": least_error,
}  # fmt: skip


def fitted(low: np.ndarray, high: np.ndarray, *, symmetric: bool) -> Range:
    """The range that 256 levels cover: zero is one of them.

    Args:
        low: least value, float.
        high: largest value.
        symmetric: whether a range with both signs is made symmetric.
    """
    import numpy as np

    low = np.minimum(np.asarray(low, np.float64), 0)
    high = np.maximum(np.asarray(high, np.float64), 0)
    if not low.any():  # no value below zero: unsigned
        high = np.where(high > 0, high, 1.0)
        return Range(low.astype(np.float32), high.astype(np.float32))
    if symmetric:
        peak = np.maximum(-low, high * 128 / 127)
        peak = np.where(peak > 0, peak, 1.0)
        return Range((-peak).astype(np.float32), (peak * 127 / 128).astype(np.float32))
    span = np.where(high - low > 0, high - low, 1.0)
    zero = np.rint(-low * (LEVELS - 1) / span).clip(0, LEVELS - 1)
    step = np.maximum(
        np.where(zero > 0, -low / np.maximum(zero, 1), 0),
        np.where(zero < LEVELS - 1, high / np.maximum(LEVELS - 1 - zero, 1), 0),
    )
    step = np.where(step > 0, step, 1.0)
    return Range((-zero * step).astype(np.float32), ((LEVELS - 1 - zero) * step).astype(np.float32))
