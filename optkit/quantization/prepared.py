"""Tells calibration samples that were not prepared as those that the network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optkit.quantization import moments

if TYPE_CHECKING:
    from optkit.quantization.moments import Moments
    from optkit.quantization.ranges import Statistics

LAYERS = 3
"""BatchNorms that are asked, from the input on: further in, those before have evened it out."""

_OFF = 5.0
"""Raw images instead of prepared ones are off by far more, other contrast by less."""


def scale_of(seen: Mapping[str, Statistics], trained: Mapping[str, Moments]) -> float | None:
    """How many times as far samples reach within the network as those that it was trained on.

    Args:
        seen: of tensors, by key.
        trained: what BatchNorm tells of some of them.

    Returns:
        The median over tensors; None where there is none, or where nothing is amiss. Too small
        a scale does not show: what biases give remains.
    """
    import numpy as np

    ratios = []
    for key in seen.keys() & trained.keys():
        if seen[key].lows:
            expected = max(map(abs, moments.ends(trained[key], channels=False)))
            reached = max(abs(float(seen[key].low.min())), abs(float(seen[key].high.max())))
            ratios += [reached / expected] if expected > 0 else []
    ratio = float(np.median(ratios)) if ratios else 1.0
    return ratio if ratio > _OFF else None


def told(ratio: float | None) -> str | None:
    """A line for the user."""
    if ratio is None:
        return None
    return (
        f"the calibration samples reach {ratio:.2g} times as far within the network as BatchNorm "
        "saw in training: prepare them as in training"
    )
