"""Holds a quantized model against the network in a large batch: some collapse there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.core.signature import Dim, Signature
from optkit.quantization.judge import Score, judge, remember

if TYPE_CHECKING:
    import numpy as np

    from optkit.quantization.job import Job

LARGE = 128
"""Models smoothed for small batches were seen to collapse from here on."""

_VALUES = 1 << 25
"""Input values that a batch holds at most: memory stays bounded where samples are large."""

_LOST = 6.0
"""dB that a batch may cost: its worst samples weigh more than one alone."""


def largest_batch(face: Signature) -> int | None:
    """The batch to check at, as far as the inputs allow it; None where they fix the batch."""
    firsts = [spec.shape[0] if spec.shape else 1 for spec in face.inputs]
    if not firsts or not all(isinstance(size, Dim) for size in firsts):
        return None
    return min(LARGE, *(dim.high or LARGE for dim in firsts if isinstance(dim, Dim)))


def holds_in_batches(job: Job, model: Any, alone: Score) -> tuple[bool, Score]:
    """Whether a model is as close to the network in a batch of `job.batch` as sample by sample.

    Args:
        job: its samples held back are repeated to fill the batch, as far as memory allows.
        model: the quantized model.
        alone: what it scored sample by sample.

    Returns:
        The answer, and the score in the batch.
    """
    batch = [_stacked(job)]
    reference = remember(job.tools, job.model, batch, job.scratch / "batch")
    score = judge(job.tools, model, reference)
    return score.sqnr_db >= alone.sqnr_db - _LOST or score.sqnr_db == math.inf, score


def _stacked(job: Job) -> Mapping[str, np.ndarray]:
    import numpy as np

    rows: dict[str, list[np.ndarray]] = {}
    for arrays in job.held:
        shapes = {name: parts[0].shape[1:] for name, parts in rows.items()}
        if any(
            array.shape[1:] != shapes.get(name, array.shape[1:]) for name, array in arrays.items()
        ):
            continue  # another length
        for name, array in arrays.items():
            rows.setdefault(name, []).append(array)
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    each = max(sum(array[:1].size for array in joined.values()), 1)
    size = min(job.batch or LARGE, max(_VALUES // each, 2))
    return {name: np.resize(array, (size, *array.shape[1:])) for name, array in joined.items()}
