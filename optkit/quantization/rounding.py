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
    weights: np.ndarray, axes: tuple[int, ...], top: int = TOP, pairs: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales: weights ≈ integers · scale.

    Processors without VNNI add two products of 8 bits in 16 (`vpmaddubsw`), and saturate. With
    `pairs` scales are as fine as they can be without that.

    Args:
        weights: float32, of any rank.
        axes: the axes along which channels of the output lie; each has a scale.
        top: the largest integer used.
        pairs: the axes along which products are added two by two, in the order in which a runtime
            goes through them, the innermost last; none where sums do not matter.

    Returns:
        int8 of the weights' shape, and float32 with size 1 along every other axis.
    """
    import numpy as np

    others = tuple(axis for axis in range(weights.ndim) if axis not in axes)
    peak = np.abs(weights).max(axis=others, keepdims=True) if weights.size else np.ones(())
    scale = (np.where(peak > 0, peak, 1.0) / top).astype(np.float32)
    if pairs and weights.size:
        # Each of the two may be rounded up by a half.
        sums = _largest_sums(weights, pairs, axes).reshape(scale.shape)
        scale = np.maximum(scale, sums / (SUM - 1))
    return np.rint(weights / scale).clip(-top, top).astype(np.int8), scale


def _largest_sums(weights: np.ndarray, along: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """Of two weights beside each other, by magnitude, for each channel of the output."""
    import numpy as np

    rest = [axis for axis in range(weights.ndim) if axis not in along]
    ordered = weights.transpose(*rest, *along)
    flat = ordered.reshape(*ordered.shape[: len(rest)], -1)
    even = flat.shape[-1] // 2 * 2
    sums = np.abs(flat[..., 0:even:2] + flat[..., 1:even:2])
    others = tuple(at for at, axis in enumerate(rest) if axis not in axes)
    return np.asarray(sums.max(axis=(*others, -1), initial=0), np.float32)
