"""How good a network's answers are: against labels, or against the answers of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optkit.pruning.feeding import Feed

if TYPE_CHECKING:
    import torch

_BATCH = 64


def answers(network: torch.fx.GraphModule, feed: Feed) -> list[torch.Tensor]:
    """The first output for every sample, in batches of the feed's order."""
    import torch

    with torch.no_grad():
        return [network(*feed.batch(chosen))[0] for chosen in feed.split(range(len(feed)), _BATCH)]


def drop(reference: Sequence[torch.Tensor], found: Sequence[torch.Tensor], feed: Feed) -> float:
    """How much worse answers are than the reference's, 0 to 1; below 0 where they are better.

    With labels of classes, the accuracy lost. Without, the share of answers (the largest along
    the last axis) that changed; of outputs that are no scores, the relative error.
    """
    total, count = 0.0, 0
    for at, chosen in enumerate(feed.split(range(len(feed)), _BATCH)):
        before, after = reference[at], found[at]
        labels = feed.labels_of(chosen)
        if before.dim() < 2 or before.shape[-1] < 2 or not before.is_floating_point():
            error = (after.double() - before.double()).norm() / (before.double().norm() + 1e-12)
            total, count = total + min(1.0, float(error)), count + 1
            continue
        old, new = before.argmax(-1), after.argmax(-1)
        if labels is not None and labels.numel() == old.numel() and not labels.is_floating_point():
            labels = labels.reshape(old.shape)
            total += float((old == labels).sum() - (new == labels).sum())
        else:
            total += float((old != new).sum())
        count += old.numel()
    return total / max(1, count)
