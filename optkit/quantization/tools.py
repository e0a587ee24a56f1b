"""What the search needs of a graph format and its runtime, handed in as functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from optkit.quantization.sites import Sites

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

Visit = Callable[[int, "list[np.ndarray]"], None]
"""Told of each sample, in order: its index and the outputs; they hold until it returns."""


@dataclass(frozen=True)
class Figure:
    """A tensor that a copy of the graph hands out, or what it comes down to.

    Attributes:
        key: of the tensor.
        reduction: `ReduceMin`, `ReduceMax` or `ReduceMean`; "" for the tensor itself.
        along: the axis along which values stay apart; None for any.
    """

    key: str
    reduction: str = ""
    along: int | None = None

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes to reduce: neither the batch nor `along`, by choice the axis of channels.

        What is left is small, and layouts with the channels together are read in their order.
        """
        channels = 1 if rank > 3 else rank - 1
        kept = {0, channels if self.along is None else self.along % rank}
        return tuple(axis for axis in range(rank) if axis not in kept)


class Stream(Protocol):
    """Runs a model on samples; `rough` says that half precision will do, where it is faster."""

    def __call__(
        self, model: Any, samples: Iterable[Arrays], visit: Visit, *, rough: bool = False
    ) -> None: ...


@dataclass(frozen=True)
class Tools:
    """Functions on the live models of one format.

    Attributes:
        operations: types of all operations by name, and a name of each in the source's words.
        find_sites: what of a graph is quantized, without the operations ignored.
        observed: a copy of the graph whose outputs are these figures, in order.
        inserted: a copy of the graph in 8 bits; see `quantization.ir.insert.inserted`.
        stream: runs a model on samples, in float32 where it is float, in integers where it is not;
            memory is bounded by a few samples.
    """

    operations: Callable[[Any], Mapping[str, tuple[str, str]]]
    find_sites: Callable[[Any, Collection[str]], Sites]
    observed: Callable[[Any, Sequence[Figure]], Any]
    inserted: Callable[..., Any]
    stream: Stream
