"""Calibration samples as tensors, several at once where the network takes that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optkit.core.samples import Samples
from optkit.pruning.batching import batched
from optkit.pruning.network import Network

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Feed:
    """Samples in memory.

    Attributes:
        samples: one tuple of inputs each, in the network's order.
        labels: of each sample along its first axis; None where there are none.
        together: whether several fit into one batch.
    """

    samples: tuple[tuple[torch.Tensor, ...], ...]
    labels: tuple[torch.Tensor, ...] | None
    together: bool

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, chosen: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """The inputs of some samples as one; of one sample where they do not go together."""
        import torch

        if len(chosen) == 1:
            return self.samples[chosen[0]]
        inputs = range(len(self.samples[0]))
        return tuple(torch.cat([self.samples[at][which] for at in chosen]) for which in inputs)

    def labels_of(self, chosen: Sequence[int]) -> torch.Tensor | None:
        """The labels of some samples in a row."""
        import torch

        return None if self.labels is None else torch.cat([self.labels[at] for at in chosen])

    def split(self, order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
        """The samples in that order, so many at a time; one by one where they must."""
        step = size if self.together else 1
        for start in range(0, len(order), step):
            yield order[start : start + step]

    def part(self, chosen: Sequence[int]) -> Feed:
        """Some of the samples."""
        labels = None if self.labels is None else tuple(self.labels[at] for at in chosen)
        return replace(self, samples=tuple(self.samples[at] for at in chosen), labels=labels)

    def apart(self) -> Feed:
        """The same, one sample at a time."""
        return replace(self, together=False)


def feed(network: Network, samples: Samples, most: int) -> tuple[Network, Feed]:
    """Read samples for a network; the network comes back with its batch free where it can be.

    Args:
        network: a flat graph.
        samples: whole inputs, with labels or without.
        most: how many to read, evenly spread over those there are.
    """
    import torch

    chosen = spread(len(samples), most)
    read = tuple(network.inputs(samples.read(at)) for at in chosen)
    labels: tuple[Any, ...] | None = None
    if samples.labels is not None:
        labels = tuple(torch.from_numpy(samples.labels(at)).reshape(-1) for at in chosen)
    alike = len({tuple(x.shape for x in sample) for sample in read}) == 1
    freed = batched(network, read[0], read[-1]) if alike else None
    if freed is None:
        return network, Feed(read, labels, together=False)
    return freed, Feed(read, labels, together=True)


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly spread: data may lie sorted by class."""
    chosen = min(count, most)
    return [at * count // chosen for at in range(chosen)] if chosen else []
