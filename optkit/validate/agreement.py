"""Scores predictions by labels, or without any by the network's own first choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from optkit.core.samples import Samples
from optkit.validate.metrics import find_metric

if TYPE_CHECKING:
    import numpy as np


def rated(samples: Samples) -> Callable[[int, np.ndarray, np.ndarray], tuple[float, int]]:
    """A function of a sample's index, an output and the network's own: (right, predictions).

    Raises:
        OptkitError: when called, where labels do not fit the output (bad input).
    """
    import numpy as np

    score, labels = find_metric("accuracy").score, samples.labels

    def rate(index: int, output: np.ndarray, own: np.ndarray) -> tuple[float, int]:
        if labels is not None:
            return score(output, labels(index))
        axis = 1 if output.ndim > 1 else 0
        right = output.argmax(axis) == own.argmax(axis)
        return float(np.sum(right & np.isfinite(output).all(axis))), int(np.size(right))

    return rate
