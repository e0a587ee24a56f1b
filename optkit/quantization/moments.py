"""Moments of activations, passed on through operations (DFQ, Nagel et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SIGMAS = 8.0
"""How many standard deviations a range takes in: what is clipped costs far more than wide steps.

On networks trained on digits 6 lost 4 to 16 dB to real data, 8 lost less than 1."""

_POINTS = 65


@dataclass(frozen=True)
class Moments:
    """Of each channel of a tensor, (C,): mean, standard deviation, and the ends of its range."""

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray


def gaussian(mean: np.ndarray, std: np.ndarray) -> Moments:
    """Of normal values: their range is the mean ± `SIGMAS` standard deviations."""
    return Moments(mean, std, mean - SIGMAS * std, mean + SIGMAS * std)


def scaled(given: Moments, factor: np.ndarray) -> Moments:
    """Of the values times a constant."""
    import numpy as np

    ends = given.low * factor, given.high * factor
    return Moments(
        given.mean * factor, given.std * np.abs(factor), np.minimum(*ends), np.maximum(*ends)
    )


def shifted(given: Moments, value: np.ndarray) -> Moments:
    """Of the values plus a constant."""
    return Moments(given.mean + value, given.std, given.low + value, given.high + value)


def summed(first: Moments, second: Moments) -> Moments:
    """Of a sum, as a residual sum's: independent at large, but the extremes of both may meet."""
    import numpy as np

    return Moments(
        first.mean + second.mean,
        np.hypot(first.std, second.std),
        first.low + second.low,
        first.high + second.high,
    )


def weighed(given: Moments, weights: np.ndarray) -> Moments:
    """Of a layer's output.

    Args:
        given: of its input; of length I.
        weights: (O, I, taps).
    """
    import numpy as np

    mean = weights.sum(-1) @ given.mean
    return gaussian(mean, np.sqrt(np.square(weights).sum(-1) @ np.square(given.std)))


def through(given: Moments, function: Callable[[np.ndarray], np.ndarray]) -> Moments:
    """Of a function of normal values, such as the rectified Gaussian of a ReLU."""
    import numpy as np

    grid = np.linspace(-4, 4, _POINTS)[:, None]
    share = np.exp(-np.square(grid) / 2)
    share /= share.sum()
    values = function(given.mean + given.std * grid)
    mean = (share * values).sum(0)
    std = np.sqrt((share * np.square(values - mean)).sum(0))
    across = function(given.low + (given.high - given.low) * np.linspace(0, 1, _POINTS)[:, None])
    return Moments(mean, std, across.min(0), across.max(0))
