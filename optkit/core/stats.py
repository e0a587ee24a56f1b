"""Statistics of timing samples.

Latencies are skewed, drift with the machine's load, and neighbours in time resemble each other.
Hence low percentiles rather than means where two models are compared, and resampling by whole
rounds rather than by single samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Rounds = Sequence[Sequence[float]]
"""Samples grouped by the round in which they were taken."""

RESAMPLES = 1000


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the samples lie, interpolated."""
    import numpy as np

    return float(np.percentile(np.asarray(samples, float), percent))


def mean_ci95(rounds: Rounds, seed: int = 0) -> tuple[float, float]:
    """A 95 % bootstrap interval of the mean, resampling whole rounds."""
    import numpy as np

    sums = np.array([sum(samples) for samples in rounds], float)
    counts = np.array([len(samples) for samples in rounds], float)
    picks = _picks(len(rounds), seed)
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def low_percentile_ratio(
    a: Rounds, b: Rounds, percent: float = 10, seed: int = 0
) -> tuple[float, float, float]:
    """How many times `a`'s low percentile is that of `b`, with a 95 % interval.

    The low percentile is what a model takes when nothing else disturbs it; of all estimators it
    repeats best on a busy machine. Rounds are drawn in pairs, as both models met the same load in
    the same round.

    Args:
        a: samples by round.
        b: samples of the same rounds.
        percent: the percentile.
        seed: of the resampling.

    Returns:
        The ratio, and the interval's two ends.
    """
    import numpy as np

    rounds = min(len(a), len(b))
    flat_a, of_a = _flatten(a[:rounds])
    flat_b, of_b = _flatten(b[:rounds])
    ratios = np.empty(RESAMPLES)
    for at, pick in enumerate(_picks(rounds, seed)):
        weight = np.bincount(pick, minlength=rounds)
        ratios[at] = _weighted(flat_a, weight[of_a], percent) / _weighted(
            flat_b, weight[of_b], percent
        )
    low, high = np.percentile(ratios, [2.5, 97.5])
    value = float(np.percentile(flat_a, percent) / np.percentile(flat_b, percent))
    return value, float(low), float(high)


def _picks(rounds: int, seed: int) -> np.ndarray:
    import numpy as np

    return np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))


def _flatten(rounds: Rounds) -> tuple[np.ndarray, np.ndarray]:
    """All samples in ascending order, and the round of each."""
    import numpy as np

    flat = np.concatenate([np.asarray(samples, float) for samples in rounds])
    owner = np.repeat(np.arange(len(rounds)), [len(samples) for samples in rounds])
    order = np.argsort(flat, kind="stable")
    return flat[order], owner[order]


def _weighted(ascending: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """The percentile of `ascending` with each value taken `weights` times, without copying."""
    import numpy as np

    reached = np.cumsum(weights)
    at = np.searchsorted(reached, reached[-1] * percent / 100)
    return float(ascending[min(int(at), len(ascending) - 1)])
