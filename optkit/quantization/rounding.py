"""Weights in 8 bits: symmetric, a scale for each channel of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TOP = 127
HALF = 63
"""The largest integer where sums of two products must fit 16 bits (processors without VNNI)."""


def round_weights(
    weights: np.ndarray, axes: tuple[int, ...], top: int = TOP
) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales: weights ≈ integers · scale.

    Args:
        weights: float32, of any rank.
        axes: the axes along which channels of the output lie; each has a scale.
        top: the largest integer used.

    Returns:
        int8 of the weights' shape, and float32 with size 1 along every other axis.
    """
    import numpy as np

    others = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    peak = np.abs(weights).max(axis=others, keepdims=True) if weights.size else np.ones(())
    scale = (np.where(peak > 0, peak, 1.0) / top).astype(np.float32)
    return np.rint(weights / scale).clip(-top, top).astype(np.int8), scale
