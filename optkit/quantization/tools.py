"""What the search needs of a graph format and its runtime, handed in as functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.quantization.sites import Sites

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

Visit = Callable[[int, "list[np.ndarray]"], None]
"""Told of each sample, in order: its index and the outputs; they hold until it returns."""


@dataclass(frozen=True)
class Tools:
    """Functions on the live models of one format.

    Attributes:
        operations: types of all operations by name, and a name of each in the source's words.
        find_sites: what of a graph is quantized, without the operations ignored.
        observed: a copy of the graph whose outputs are the tensors of these keys, in order.
        inserted: a copy of the graph in 8 bits; see `quantization.ir.insert.inserted`.
        stream: runs a model on samples, in float32 where it is float, in integers where it is not;
            memory is bounded by a few samples.
    """

    operations: Callable[[Any], Mapping[str, tuple[str, str]]]
    find_sites: Callable[[Any, Collection[str]], Sites]
    observed: Callable[[Any, list[str]], Any]
    inserted: Callable[..., Any]
    stream: Callable[[Any, Iterable[Arrays], Visit], None]
