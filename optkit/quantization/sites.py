"""What of a graph is quantized, as plain data that every graph's own finder fills in."""

from __future__ import annotations

from dataclasses import dataclass

from optkit.quantization.ends import NOWHERE


@dataclass(frozen=True)
class Point:
    """A tensor that is quantized.

    Attributes:
        key: its name, the same in every copy of the graph.
        readers: who reads it quantized: (node name, input index).
        group: points of one group share a range, as the inputs of a concatenation do.
        per_channel: whether each channel along axis 1 may have a range of its own: all that read
            it are depthwise convolutions.
        ends: what it never goes beyond, by the operation that gives it.
    """

    key: str
    readers: tuple[tuple[str, int], ...]
    group: str
    per_channel: bool = False
    ends: tuple[float, float] = NOWHERE


@dataclass(frozen=True)
class Layer:
    """An operation with constant weights that is quantized.

    Attributes:
        name: the node's name, the same in every copy of the graph.
        reads: key of the tensor that it reads; a point may lie above it.
        weight: which input the weights are.
        axes: the axes of the weights along which channels of the output lie.
        channel: the axis of its input along which the sum runs; None where means cannot correct it.
        output: key of the tensor that it gives.
        out: the axis of that tensor along which channels lie.
        inner: the axes of the weights along which a runtime adds products two by two, in the order
            in which it goes through them; none where it does not.
        biased: whether that tensor holds its bias already, and what is added to correct that.
        cost: multiply-adds of one inference, 0 where shapes do not tell.
    """

    name: str
    reads: str
    weight: int
    axes: tuple[int, ...]
    channel: int | None
    output: str
    out: int
    inner: tuple[int, ...]
    biased: bool
    cost: int = 0


@dataclass(frozen=True)
class Sites:
    """All that is quantized of a graph, in the graph's order.

    Attributes:
        points: tensors that get a range.
        layers: operations whose weights are stored in 8 bits.
        tables: names of the operations that look up rows of a constant, stored in 8 bits too.
    """

    points: tuple[Point, ...]
    layers: tuple[Layer, ...]
    tables: tuple[str, ...] = ()
