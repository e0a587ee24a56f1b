"""Statistics of timing samples.

Latencies are skewed, drift with the machine's load, and neighbours in time resemble each other.
So two models are compared round by round, as both met the same load in the same round; and since
a model that is loaded twice need not be as fast as itself, sitting by sitting, each with the models
loaded anew.
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
DIFFERENT = 1.01
ALIKE = 1.05
ROUNDS_TO_TELL = 3
CALM = 1.05
"""A round is calm when both models, their geometric mean, take at most so many times as long as in
the fastest fiftieth of the rounds: noise is less, what a busy neighbour costs is more."""

WAITED = 0.02
"""And when none of their threads waited for a core for longer than that share of its time."""

FEWEST, SHARE = 5, 0.2
"""Of the rounds in which none waited, so many and such a share are calm at any rate."""

SITTINGS_TO_TELL = 5
"""Fewer say too little of how far they differ."""

MOST_ALIKE = 0.8
"""The correlation of neighbouring sittings that is reckoned with at most."""

PLACED = 0.017
"""The standard deviation of a ratio from one sitting to the next, by where memory comes to lie.

Of a model of 5 MB against itself, 40 sittings on an AMD EPYC core.
"""

_Z = 1.96


def placed(sittings: int) -> float:
    """What where memory comes to lie adds to the 95 % interval of a ratio's logarithm, each way."""
    return _Z * PLACED / math.sqrt(sittings)


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
    picks = picks_of(len(rounds), seed)
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def paired_ratio(
    a: Rounds,
    b: Rounds,
    sittings: Sequence[int] = (),
    waited: Sequence[Sequence[float]] = (),
    seed: int = 0,
) -> tuple[float, float, float]:
    """How many times the times of `a` are those of `b`, with a 95 % interval.

    Of each round the ratio of the medians; of those from calm rounds, in which no thread had to
    wait for a core and which went about as fast as the fastest ones did, the mean of the middle
    half. What shares the machine slows two models down unequally: what the calm rounds give comes
    back from one benchmark to the next, what all of them give hangs on how many were not calm. A
    round is judged by both models together, so that none is favoured.

    The interval is Student's t, of how far the middles of all rounds of each sitting lie from it:
    what differs between sittings is as real as what differs between rounds, and rounds alone would
    not show it (Kalibera and Jones, "Rigorous benchmarking in reasonable time", 2013); wider where
    sittings resemble their neighbours, as a machine that drifts makes them do. Of fewer than five
    sittings, it is a bootstrap of the rounds, in runs, as a load lasts longer than a round; widened
    for what they cannot show.

    Args:
        a: samples by round.
        b: samples of the same rounds.
        sittings: how many of the rounds each sitting had; what is left is the last one's.
        waited: of `a` and of `b`, by round, how long threads waited for a core, as a share.
        seed: of the resampling.

    Returns:
        The ratio, and the interval's two ends.
    """
    import numpy as np

    count = min(len(a), len(b))
    logs = np.log([[np.median(a[at]), np.median(b[at])] for at in range(count)])
    known = [one[:count] for one in waited if len(one)]
    held_up = np.max(known, axis=0) > WAITED if known else np.zeros(count, bool)
    pace, ratios = logs.sum(axis=1), logs[:, 0] - logs[:, 1]
    value = float(_calm(ratios, pace, held_up))
    parts = [part for part in np.split(ratios, np.cumsum(sittings)) if len(part)]
    if len(parts) >= SITTINGS_TO_TELL:
        each = np.array([_middle(part) for part in parts])
        below = above = drift(each) * margin(each, value)
    else:
        picks = picks_of(count, seed)
        draws = _calm(ratios[picks], pace[picks], held_up[picks])
        below, above = (
            math.hypot((float(end) - value) * _widening(count), placed(len(parts)))
            for end in np.percentile(draws, [2.5, 97.5])
        )
    low, high = value - below, value + above
    return math.exp(value), math.exp(low), math.exp(high)


def margin(values: np.ndarray, around: float | None = None) -> float:
    """What the 95 % interval of the mean of a few independent values adds each way: Student's t.

    Args:
        values: at least two.
        around: what they are taken to lie around, where it is not their own mean.
    """
    count = len(values)
    off = values - (values.mean() if around is None else around)
    return student(count - 1) * math.sqrt(float((off**2).sum()) / (count - 1) / count)


def drift(values: np.ndarray) -> float:
    """How many times less certain the mean of values in a row is than if they were independent.

    That of a series in which each is the one before times a constant, and noise; the constant is
    the correlation of neighbours, freed of the bias that it has in short series (Kendall, "Note on
    bias in the estimation of autocorrelation", 1954). At least 1, at most 3.
    """
    off = values - values.mean()
    spread = float((off**2).sum())
    if not spread:
        return 1.0
    alike = float((off[1:] * off[:-1]).sum()) / spread
    alike = min(max(alike + (1 + 3 * alike) / len(values), 0.0), MOST_ALIKE)
    return math.sqrt((1 + alike) / (1 - alike))


def verdict(low: float, high: float, rounds: int) -> Verdict:
    """What the 95 % interval of a speed ratio allows to be said.

    A difference is told where the whole interval is more than 1 % away from 1: of one model
    against itself, one interval in twenty leaves 1 out, but hardly one by that much. There is "no
    difference" where the whole interval is within 5 %, which is to say none that matters. Whatever
    is left is too noisy to tell, and so is anything from fewer than three rounds.

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


def _calm(ratios: np.ndarray, pace: np.ndarray, held_up: np.ndarray) -> np.ndarray:
    """The middle of the calm rounds.

    Args:
        ratios: of two models' times, logarithms, (..., rounds).
        pace: the product of these times, logarithms, (..., rounds).
        held_up: whether threads waited for a core, (..., rounds); nothing is made of it where that
            leaves next to none.
    """
    import numpy as np

    fewest = min(FEWEST, held_up.shape[-1])
    usable = np.count_nonzero(~held_up, axis=-1, keepdims=True) >= fewest
    pace = np.where(held_up & usable, np.inf, pace)
    ordered = np.sort(pace, axis=-1)
    count = np.isfinite(pace).sum(axis=-1, keepdims=True)

    def slowest(share: float, least: int) -> np.ndarray:
        number = np.maximum(np.ceil(share * count).astype(int), least)
        return np.take_along_axis(ordered, number - 1, axis=-1)

    limit = np.maximum(slowest(0.02, 1) + 2 * math.log(CALM), slowest(SHARE, fewest))
    return _middle(np.where(pace <= limit, ratios, np.inf))


def _middle(logs: np.ndarray) -> np.ndarray:
    """The mean of the middle half of what is finite along the last axis, of all below four."""
    import numpy as np

    count = np.isfinite(logs).sum(axis=-1, keepdims=True)
    at, cut = np.arange(logs.shape[-1]), count // 4
    inside = (at >= cut) & (at < count - cut)
    found: np.ndarray = np.mean(np.sort(logs, axis=-1), axis=-1, where=inside)
    return found


def picks_of(rounds: int, seed: int) -> np.ndarray:
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
    """How much too narrow a bootstrap of the mean of so few rounds is."""
    if rounds < 2:
        return 1.0
    return float(student(rounds - 1) / _Z * (rounds / (rounds - 1)) ** 0.5)


def student(free: int) -> float:
    """The 97.5 % point of Student's t with so many degrees of freedom (Cornish and Fisher)."""
    z = _Z
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
