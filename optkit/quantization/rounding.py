"""Weights in 8 bits: symmetric, a scale for each channel of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TOP = 127
HALF = 63
"""The largest integer where sums of two products must fit 16 bits (processors without VNNI)."""


SUM = 128
"""What two weights beside each other may add up to: times 255 it fits 16 bits."""


def round_weights(
    weights: np.ndarray, axes: tuple[int, ...], top: int = TOP, pairs: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales: weights ≈ integers · scale.

    Processors without VNNI add two products of 8 bits in 16 (`vpmaddubsw`), and saturate. With
    `pairs` scales are as fine as they can be without that.

    Args:
        weights: float32, of any rank.
        axes: the axes along which channels of the output lie; each has a scale.
        top: the largest integer used.
        pairs: the axis along which products are added two by two; None where sums do not matter.

    Returns:
        int8 of the weights' shape, and float32 with size 1 along every other axis.
    """
    import numpy as np

    others = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    peak = np.abs(weights).max(axis=others, keepdims=True) if weights.size else np.ones(())
    scale = (np.where(peak > 0, peak, 1.0) / top).astype(np.float32)
    if pairs is not None and weights.size and weights.shape[pairs] > 1:
        # Each of the two may be rounded up by a half.
        scale = np.maximum(scale, _largest_sum(weights, pairs, others) / (SUM - 1))
    return np.rint(weights / scale).clip(-top, top).astype(np.int8), scale


def _largest_sum(weights: np.ndarray, axis: int, others: tuple[int, ...]) -> np.ndarray:
    """Of two weights beside each other, by magnitude, for each channel of the output."""
    import numpy as np

    half = weights.shape[axis] // 2
    first = np.take(weights, range(0, 2 * half, 2), axis)
    sums = np.abs(first + np.take(weights, range(1, 2 * half, 2), axis))
    return np.asarray(sums.max(axis=others, keepdims=True), np.float32)
