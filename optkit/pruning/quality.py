"""How good a network's answers are: against labels, or against the answers of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optkit.pruning.feeding import Feed

if TYPE_CHECKING:
    import numpy as np
    import torch

_BATCH = 64


def answers(network: torch.fx.GraphModule, feed: Feed) -> list[torch.Tensor]:
    """The first output for every sample, in batches of the feed's order."""
    import torch

    with torch.no_grad():
        return [network(*feed.batch(chosen))[0] for chosen in feed.split(range(len(feed)), _BATCH)]


def losses(
    reference: Sequence[torch.Tensor], found: Sequence[torch.Tensor], feed: Feed
) -> np.ndarray:
    """By how much each sample is answered worse than by the reference, -1 to 1, shape (samples,).

    With labels of classes: 1 where it was right and is wrong, -1 the other way round. Without, 1
    where the answer (the largest along the last axis) changed; of several answers per sample, their
    mean. Of outputs that are no scores, the relative error, at most 1.
    """
    import torch

    rows = []
    for at, chosen in enumerate(feed.split(range(len(feed)), _BATCH)):
        before, after = reference[at], found[at]
        if before.dim() < 2 or before.shape[-1] < 2 or not before.is_floating_point():
            flat = [side.double().reshape(len(chosen), -1) for side in (before, after)]
            error = (flat[1] - flat[0]).norm(dim=1) / (flat[0].norm(dim=1) + 1e-12)
            rows.append(error.clamp(max=1.0))
            continue
        labels = feed.labels_of(chosen)
        old, new = before.argmax(-1), after.argmax(-1)
        if labels is not None and labels.numel() == old.numel() and not labels.is_floating_point():
            labels = labels.reshape(old.shape)
            worse = (old == labels).double() - (new == labels).double()
        else:
            worse = (old != new).double()
        rows.append(worse.reshape(len(chosen), -1).mean(1))
    lost: np.ndarray = torch.cat(rows).numpy()
    return lost
