"""Holds back a part of the samples for validation."""

from __future__ import annotations

from optkit.core.samples import Samples


def split_holdout(samples: Samples) -> tuple[Samples, Samples]:
    """(calibration, validation): the last fifth is held back, one sample at least.

    Of a single sample, none is left to calibrate on: `calibration.count` is then 0.
    """
    held = max(1, samples.count // 5)
    edge = samples.count - held
    return samples.part(0, edge), samples.part(edge, samples.count)
