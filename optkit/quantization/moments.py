"""Moments of activations, passed on through operations (DFQ, Nagel et al. 2019).

BatchNorm tells the mean and the variance of a channel, not how its values lie. They are taken to
have a logistic distribution, whose tails are longer than a normal one's and shorter than Laplace's:
activations lie between both, and what is clipped costs more than wide steps. Ranges are then those
of the least expected error (ACIQ, Banner et al. 2019), over all channels that share one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_POINTS = 65
_REACH = 16.0
"""Standard deviations that are looked at: one value in 10¹² lies beyond."""

_ALIKE = 0.4
"""The correlation of two places of a map, on average: what is left of a variance in its mean."""

_BINS = 1024
"""Between zero and the farthest value; ranges end where one of them does."""


@dataclass(frozen=True)
class Moments:
    """Of each channel of a tensor: mean and standard deviation, (C,), and how its values lie.

    Attributes:
        values: (points, C), each row with a share of its own.
    """

    mean: np.ndarray
    std: np.ndarray
    values: np.ndarray


def logistic(mean: np.ndarray, std: np.ndarray) -> Moments:
    """Of values with a logistic distribution."""
    return Moments(mean, std, mean + std * _grid()[0][:, None])


def scaled(given: Moments, factor: np.ndarray) -> Moments:
    """Of the values times a constant."""
    import numpy as np

    return Moments(given.mean * factor, given.std * np.abs(factor), given.values * factor)


def shifted(given: Moments, value: np.ndarray) -> Moments:
    """Of the values plus a constant."""
    return Moments(given.mean + value, given.std, given.values + value)


def summed(first: Moments, second: Moments) -> Moments:
    """Of a sum of independent values, as a residual sum's: no further than both extremes reach."""
    import numpy as np

    mean, std = first.mean + second.mean, np.hypot(first.std, second.std)
    low = first.values.min(0) + second.values.min(0)
    high = first.values.max(0) + second.values.max(0)
    return Moments(mean, std, logistic(mean, std).values.clip(low, high))


def averaged(given: Moments) -> Moments:
    """Of the mean over a whole map, whose places are less alike than neighbours are."""
    spread = _ALIKE**0.5
    return Moments(
        given.mean, given.std * spread, given.mean + (given.values - given.mean) * spread
    )


def weighed(given: Moments, weights: np.ndarray) -> Moments:
    """Of a layer's output.

    Args:
        given: of its input; of length I.
        weights: (O, I, taps).
    """
    import numpy as np

    mean = weights.sum(-1) @ given.mean
    return logistic(mean, np.sqrt(np.square(weights).sum(-1) @ np.square(given.std)))


def through(given: Moments, function: Callable[[np.ndarray], np.ndarray]) -> Moments:
    """Of a function of the values, such as what a ReLU leaves of them."""
    import numpy as np

    shares = _grid()[1][:, None]
    values = function(given.values)
    mean = (shares * values).sum(0)
    std = np.sqrt((shares * np.square(values - mean)).sum(0))
    return Moments(mean, std, values)


def ends(given: Moments, *, channels: bool) -> tuple[np.ndarray, np.ndarray]:
    """The range of 256 levels whose expected error is least, from clipping and from rounding.

    Args:
        given: of the tensor.
        channels: whether each channel has a range of its own; else all share the one that is best
            for all of them together.

    Returns:
        Least and largest value, (C,) or scalars.
    """
    import numpy as np

    values, shares = given.values, np.broadcast_to(_grid()[1][:, None], given.values.shape)
    if not channels:
        values, shares = values.reshape(-1, 1), shares.reshape(-1, 1) / given.mean.size
    size, peak = np.abs(values), np.abs(values).max(0)
    place = (size * (_BINS / np.where(peak > 0, peak, 1))).astype(np.int64).clip(max=_BINS - 1)
    place += np.arange(values.shape[1]) * _BINS

    def beyond(power: int) -> np.ndarray:
        """Per column and end of a bin: the sum of shares · sizeⁿ of what lies beyond."""
        bins = np.bincount(place.reshape(-1), (shares * size**power).reshape(-1), peak.size * _BINS)
        total = bins.reshape(-1, _BINS)[:, ::-1].cumsum(1)[:, ::-1]
        return np.concatenate([total[:, 1:], np.zeros((peak.size, 1))], 1)

    limit = peak[:, None] * np.arange(1, _BINS + 1) / _BINS
    clipped = beyond(2) - 2 * limit * beyond(1) + np.square(limit) * beyond(0)
    step = limit * np.where(values.min(0) < 0, 2, 1)[:, None] / 255
    rounded = np.square(step) / 12 * (shares * (size > 0)).sum(0)[:, None]
    best = np.take_along_axis(limit, (clipped + rounded).argmin(1)[:, None], 1)[:, 0]
    low, high = np.maximum(values.min(0), -best), np.minimum(values.max(0), best)
    return (low, high) if channels else (low[0], high[0])


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Points in standard deviations, closer to the middle, and the share of values of each."""
    import numpy as np

    points = _REACH * np.sinh(np.linspace(-4, 4, _POINTS)) / np.sinh(4.0)
    cuts = (points[1:] + points[:-1]) / 2
    below = 1 / (1 + np.exp(-cuts * np.pi / 3**0.5))  # unit variance
    return points, np.diff(below, prepend=0.0, append=1.0)
