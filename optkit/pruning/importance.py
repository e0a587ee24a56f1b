"""The importance of every unit, by the criterion's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.core.errors import bad_input
from optkit.pruning import criteria
from optkit.pruning.feeding import Feed
from optkit.pruning.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import torch

_BATCH = 32


def importance(structure: Structure, criterion: str, feed: Feed | None) -> np.ndarray:
    """(units,) by `magnitude`, `batchnorm_scale` or `taylor`.

    `taylor` takes the cross entropy against labels of classes; without any, half the squared norm
    of the outputs: what changes them least goes first.

    Raises:
        OptkitError: no BatchNorm is there to judge by (bad input).
    """
    import numpy as np

    if criterion == "magnitude":
        return criteria.magnitude(structure)
    if criterion == "batchnorm_scale":
        found = criteria.batchnorm_scale(structure)
        if not np.isfinite(found).any():
            raise bad_input(
                "criterion batchnorm_scale: no channel goes through a BatchNorm (an export may "
                "have folded it)",
                "criterion: magnitude",
            )
        return found
    assert feed is not None
    chosen = list(feed.split(range(len(feed)), _BATCH))

    def loss(outputs: Any, number: int) -> torch.Tensor:
        import torch

        labels = feed.labels_of(chosen[number])
        scores = outputs[0]
        if labels is not None and scores.dim() == 2 and not labels.is_floating_point():
            return torch.nn.functional.cross_entropy(scores, labels.long())
        squares = [out.square().sum() for out in outputs if out.is_floating_point()]
        return torch.stack(squares).sum() / 2

    return criteria.taylor(structure, (feed.batch(part) for part in chosen), loss)
