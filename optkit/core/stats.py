"""Statistics of timing samples.

Latencies are skewed, drift with the machine's load, and neighbours in time resemble each other.
Hence low percentiles rather than means where two models are compared, and resampling by runs of
whole rounds rather than by single samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Rounds = Sequence[Sequence[float]]
"""Samples grouped by the round in which they were taken."""

Verdict = Literal["faster", "slower", "no difference", "too noisy"]

RESAMPLES = 1000
DIFFERENT = 1.02
ALIKE = 1.05
ROUNDS_TO_TELL = 3


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the samples lie, interpolated."""
    import numpy as np

    return float(np.percentile(np.asarray(samples, float), percent))


def histogram(samples_ms: Sequence[float], bins: int = 40) -> dict[str, Any]:
    """How samples in milliseconds lie: `counts` in bins of equal width on a logarithmic scale.

    Returns:
        `low_ms` and `high_ms`, the ends of the first and the last bin, and `counts`. Where all
        samples are the same there is one bin, as wide as one of 40 in a decade.
    """
    import numpy as np

    values = np.log(np.asarray(samples_ms, float))
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        half = math.log(10) / 80
        low, high, bins = low - half, high + half, 1
    counts, _ = np.histogram(values, bins, (low, high))
    return {"low_ms": math.exp(low), "high_ms": math.exp(high), "counts": counts.tolist()}


def mean_ci95(rounds: Rounds, seed: int = 0) -> tuple[float, float]:
    """A 95 % bootstrap interval of the mean, resampling runs of whole rounds."""
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
    the same round, and in runs, as a load lasts longer than a round. A bootstrap of few rounds is
    too narrow: the interval is widened about the ratio as Student's t is wider than the normal.

    Args:
        a: samples by round.
        b: samples of the same rounds.
        percent: the percentile.
        seed: of the resampling.

    Returns:
        The ratio, and the interval's two ends; of a single round all three are the same.
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
    value = float(np.percentile(flat_a, percent) / np.percentile(flat_b, percent))
    low, high = value * (np.percentile(ratios, [2.5, 97.5]) / value) ** _widening(rounds)
    return value, float(low), float(high)


def verdict(low: float, high: float, rounds: int) -> Verdict:
    """What the 95 % interval of a speed ratio allows to be said.

    The interval itself is wide enough: of 40 runs of a model against itself, on cores with several
    times more to do than they could, it held 1 in every one, half of them wider than 10 %. What
    no resampling sees is what stays for as long as a model is loaded, such as where its memory
    lies: the same model loaded twice need not be as fast as itself. So a difference is told only
    where the whole interval is more than 2 % away from 1; and there is "no difference" where the
    whole interval is within 5 %, which is to say none that matters. Whatever is left is too noisy
    to tell, and so is anything from fewer than three rounds.

    Args:
        low: the interval's lower end.
        high: its upper end.
        rounds: that it rests on.
    """
    if rounds < ROUNDS_TO_TELL:
        return "too noisy"
    if low > DIFFERENT:
        return "faster"
    if high < 1 / DIFFERENT:
        return "slower"
    return "no difference" if low > 1 / ALIKE and high < ALIKE else "too noisy"


def _picks(rounds: int, seed: int) -> np.ndarray:
    """Rounds drawn in runs of consecutive ones, the last followed by the first: (draws, rounds).

    Runs as long as the cube root of the rounds: single rounds make the interval too narrow when
    load drifts, long runs leave too few to draw from.
    """
    import numpy as np

    length = int((rounds + 0.5) ** (1 / 3))
    starts = np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, -(-rounds // length)))
    picks = (starts[:, :, None] + np.arange(length)) % rounds
    found: np.ndarray = picks.reshape(RESAMPLES, -1)[:, :rounds]
    return found


def _widening(rounds: int) -> float:
    """The 97.5 % point of Student's t over that of the normal, for a mean of so many rounds."""
    if rounds < 2:
        return 1.0
    z, free = 1.96, rounds - 1
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return float(t / z * (rounds / free) ** 0.5)


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
