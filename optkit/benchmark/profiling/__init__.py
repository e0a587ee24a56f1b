"""What each operation of a model costs, as its runtime tells it: a file per runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Operation:
    """One operation as it ran.

    Attributes:
        name: the runtime's own, in its optimized graph.
        type: of operation, in the runtime's words.
        precision: it computes in: `fp32`, `fp16`, `bf16`, `int8`; of an operation without
            arithmetic the dtype that it handles. Empty where the runtime does not tell.
        kernel: what runs it.
        ms: mean of an inference.
        flops: of one inference, a multiply-add counting two, with the channels that a kernel fills
            up to the blocks it computes in; 0 where it has no products; None
            where shapes do not tell.
        bytes: inputs, weights and outputs of one inference; None where shapes do not tell.
        count: how often it runs in one inference, where those that are alike are told as one.
    """

    name: str
    type: str
    precision: str
    kernel: str
    ms: float
    flops: int | None
    bytes: int | None
    count: int = 1


@dataclass(frozen=True)
class Probe:
    """A model loaded so that its runtime tells what each operation costs.

    Attributes:
        infer: one synchronous inference, as `Session.infer`.
        start: what ran before, to warm up, does not count.
        stop: the operations of the inferences since, each the mean of one; called once.
        close: gives back threads and memory.
    """

    infer: Callable[[Arrays], object]
    start: Callable[[], None]
    stop: Callable[[], list[Operation]]
    close: Callable[[], None] = lambda: None
