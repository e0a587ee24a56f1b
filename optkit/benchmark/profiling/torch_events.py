"""What PyTorch's profiler recorded, as trees of calls, and the arithmetic in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_CONVOLUTIONS = frozenset({"aten::convolution", "aten::_convolution"})
_POINTWISE = "mkldnn::_convolution_pointwise"
_ATTENTION = "aten::_scaled_dot_product_"
_RECURRENT = "aten::mkldnn_rnn_layer"


@dataclass
class Call:
    """An operator, or a region of the program, and what it called.

    Attributes:
        name: with its namespace, such as `aten::conv2d`.
        start: nanoseconds.
        end: nanoseconds.
        shapes: of its arguments; empty for what is no tensor.
        dtypes: of its arguments, in C++'s words.
        values: its arguments that are numbers or lists of them; else None.
        correlation: links it to what it started on a device.
        calls: in order.
    """

    name: str
    start: int
    end: int
    shapes: list[list[int]]
    dtypes: list[str]
    values: list[Any]
    correlation: int
    calls: list[Call] = field(default_factory=list)

    @property
    def tensors(self) -> list[tuple[str, list[int]]]:
        """Dtypes and shapes of the arguments that are tensors."""
        pairs = zip(self.dtypes, self.shapes, strict=False)
        return [(dtype, shape) for dtype, shape in pairs if shape]


class Product(NamedTuple):
    """A convolution or matrix product: its FLOPs, the values it gives, and its dtype."""

    flops: int
    values: int
    dtype: str


def trees(events: Sequence[Any]) -> list[Call]:
    """The outermost calls of every thread, from the profiler's flat list."""
    roots: list[Call] = []
    threads: dict[int, list[Call]] = {}
    for event in sorted(events, key=lambda one: (one.start_ns(), -one.duration_ns())):
        call = Call(
            event.name(),
            event.start_ns(),
            event.start_ns() + event.duration_ns(),
            event.shapes(),
            event.dtypes(),
            event.concrete_inputs(),
            event.correlation_id(),
        )
        above = threads.setdefault(event.start_thread_id(), [])
        while above and above[-1].end <= call.start:
            above.pop()
        (above[-1].calls if above else roots).append(call)
        above.append(call)
    return roots


def operators(calls: Sequence[Call]) -> Iterator[Call]:
    """The outermost operators, and fused kernels, within regions of the program."""
    for call in calls:
        if "::" in call.name or "cpp_fused" in call.name:
            yield call
        else:
            yield from operators(call.calls)


def products(call: Call) -> list[Product]:
    """The innermost products that a call comes down to."""
    inner = [product for one in call.calls for product in products(one)]
    if inner:
        return inner
    try:
        own = _product(call)
    except (IndexError, TypeError):  # arguments that were not recorded
        return []
    return [own] if own else []


def _product(call: Call) -> Product | None:
    name, shapes = call.name, call.shapes
    if name in _CONVOLUTIONS:
        stride, padding, dilation, transposed = call.values[3:7]
        return _convolution(call, shapes[1], stride, padding, dilation, transposed=transposed)
    if name == _POINTWISE:
        at = 3 if isinstance(call.values[3], list) else 4  # with a second operand, after it
        padding, stride, dilation = call.values[at : at + 3]
        return _convolution(call, shapes[at - 2], stride, padding, dilation, transposed=False)
    if name in {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"}:
        left, right = shapes[1:3] if "add" in name else shapes[:2]
        given = math.prod(left[:-1]) * right[-1]
        return Product(2 * given * left[-1], given, call.dtypes[1])
    return _layer(call)


def _layer(call: Call) -> Product | None:
    name, shapes = call.name, call.shapes
    if name == "aten::linear":
        given = math.prod(shapes[0][:-1]) * shapes[1][0]
        return Product(2 * given * shapes[0][-1], given, call.dtypes[0])
    if name.startswith(_ATTENTION):
        (*_, width), key, (*_, depth) = shapes[:3]
        rows = math.prod(shapes[0][:-1])
        return Product(2 * rows * key[-2] * (width + depth), rows * depth, call.dtypes[0])
    if name == _RECURRENT:
        steps, hidden = math.prod(shapes[0][:-1]), shapes[2][-1]
        work = math.prod(shapes[1]) + math.prod(shapes[2])
        return Product(2 * steps * work, steps * hidden, call.dtypes[0])
    return None


def _convolution(
    call: Call,
    weight: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    *,
    transposed: bool,
) -> Product:
    batch, _, *sizes = call.shapes[0]
    if transposed:
        flops = 2 * math.prod(call.shapes[0]) * math.prod(weight[1:])
        return Product(flops, math.prod(call.shapes[0]) * math.prod(stride), call.dtypes[0])
    given = batch * weight[0]
    for at, (size, width) in enumerate(zip(sizes, weight[2:], strict=True)):
        step, edge, gap = (one[at % len(one)] for one in (stride, padding, dilation))
        given *= (size + 2 * edge - gap * (width - 1) - 1) // step + 1
    return Product(2 * given * math.prod(weight[1:]), given, call.dtypes[0])
