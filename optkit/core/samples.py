"""Samples: the inputs that calibration and validation run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Samples:
    """Whole inputs for a network, read one at a time so that memory stays bounded.

    Attributes:
        count: how many inputs there are.
        read: the i-th input: one array per input name, of the input's own rank, batch axis first.
        labels: labels of the i-th input along its batch axis, or None where there are none.
        origin: given by the user, or synthesised from the signature.
        digest: SHA-256 of all that `read` can return; it enters the cache key.
        source: where they come from, for messages: a path, or how they were made.
    """

    count: int
    read: Callable[[int], Arrays]
    labels: Callable[[int], np.ndarray] | None
    origin: Literal["given", "synthesised"]
    digest: str
    source: str

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Arrays]:
        return (self.read(index) for index in range(self.count))

    def part(self, start: int, stop: int) -> Samples:
        """The samples from `start` up to, not including, `stop`."""
        labels = self.labels
        return replace(
            self,
            count=max(0, min(stop, self.count) - start),
            read=lambda index: self.read(start + index),
            labels=None if labels is None else lambda index: labels(start + index),
            digest=f"{self.digest}[{start}:{stop}]",
        )
