"""What answers lose at most on data not seen, from paired differences on some that were."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95

# Of the chance of an error that is allowed, the part for how often the two networks differ at all.
_FOR_CHANGES = 0.2
_GRID, _HALVINGS = 48, 24


def upper(lost: np.ndarray, *, both_ways: bool, confidence: float = CONFIDENCE) -> float:
    """What is lost at most, with this confidence: the smallest mean that `chance` rejects.

    Args:
        lost: of each sample, by how much it is answered worse, -1 to 1, shape (samples,).
        both_ways: whether a sample can be answered better at all.
        confidence: that the mean over all data like these is no larger.
    """
    low, high = max(0.0, float(lost.mean())), 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if chance(lost, middle, both_ways=both_ways) <= 1 - confidence:
            high = middle
        else:
            low = middle
    return high


def least(samples: int, *, both_ways: bool, confidence: float = CONFIDENCE) -> float:
    """The smallest bound that so many samples can vouch for, when not one answer changes."""
    import numpy as np

    return upper(np.zeros(samples), both_ways=both_ways, confidence=confidence)


def chance(lost: np.ndarray, most: float, *, both_ways: bool) -> float:
    """How likely so small a loss is at most, were the mean over all data `most` or larger.

    Of answers that are right or wrong it is exact: among all shares of samples that get better and
    worse whose difference is `most`, and that the number of changes does not speak against, the
    one under which so small a difference is the likeliest (Berger and Boos, J. Am. Stat. Assoc.
    89, 1994). Of other differences, by their normal approximation.

    Args:
        lost: as of `upper`.
        most: 0 to 1.
        both_ways: as of `upper`.
    """
    import numpy as np

    count = len(lost)
    if not np.isin(lost, (-1.0, 0.0, 1.0)).all():
        spread = float(lost.std(ddof=1)) / math.sqrt(count)
        return NormalDist().cdf((float(lost.mean()) - most) / max(spread, 1e-12))
    total, changes = round(float(lost.sum())), int((lost != 0).sum())
    if not both_ways:
        return float(_at_most(total, count, np.array([most]), np.zeros(1))[0])
    spent = _FOR_CHANGES * (1 - CONFIDENCE)
    room = _most_changes(count, changes, spent) - most
    if room < 0:
        return spent
    better = np.linspace(0.0, room / 2, _GRID)
    return min(1.0, spent + float(_at_most(total, count, most + better, better).max()))


def _most_changes(count: int, changes: int, error: float) -> float:
    """The largest share of changes that so few of them leave likely: Clopper and Pearson's."""
    import numpy as np

    low, high = changes / count, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(changes, count, np.array([middle]), np.zeros(1))[0] > error:
            low = middle
        else:
            high = middle
    return high


def _at_most(total: int, count: int, worse: np.ndarray, better: np.ndarray) -> np.ndarray:
    """P(Σ ≤ total) of so many independent values: 1 with `worse`, -1 with `better`, else 0.

    By the characteristic function, whose inverse transform has the probabilities of all sums.
    """
    import numpy as np

    size = 2 * count + 1
    turn = np.exp(-2j * np.pi * np.arange(size) / size)
    one = 1 - (worse + better)[:, None] + worse[:, None] * turn + better[:, None] / turn
    found = np.fft.ifft(one**count, axis=1).real  # of sum s at s modulo the size
    sums = np.arange(-count, total + 1) % size
    return np.asarray(found[:, sums].sum(axis=1).clip(0.0, 1.0))
