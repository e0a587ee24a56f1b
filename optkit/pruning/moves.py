"""How channels go through what joins, splits, pads and reduces values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import Flow, Rule, argument, axis_at

if TYPE_CHECKING:
    from optkit.pruning.coupling import Axes, Axis


def cat(flow: Flow, node: Any) -> Axes:
    """Side by side along one axis; the others lose the same indices."""
    import numpy as np

    given = [item for item in node.args[0] if math.prod(flow.shape(item))]
    rank = len(flow.shape(node))
    along = axis_at(argument(node, 1, "dim", 0), rank)
    out: Axes = []
    for at in range(rank):
        axes = [flow.of(item)[at] for item in given]
        if at != along:
            for other in axes[1:]:
                flow.tie(axes[0], other)
            out.append(axes[0] if all(axis is not None for axis in axes) else None)
        elif all(axis is None for axis in axes):
            out.append(None)
        else:
            sizes = [flow.shape(item)[at] for item in given]
            out.append(np.concatenate([
                np.zeros(size, np.int64) if axis is None else axis
                for axis, size in zip(axes, sizes, strict=True)
            ]))  # fmt: skip
    return out


def split(flow: Flow, node: Any) -> list[Axes]:
    """Pieces along one axis, of any sizes."""
    x = flow.of(node.args[0])
    at = axis_at(argument(node, 2, "dim", 0), len(x))
    pieces, start = list[Any](), 0
    for shape in flow.shapes[node]:
        piece = list(x)
        axis = x[at]
        piece[at] = _part(axis, start, start + shape[at])
        pieces.append(piece)
        start += shape[at]
    return pieces


def slice_(flow: Flow, node: Any) -> Axes:
    """A stretch of one axis."""
    x = list(flow.of(node.args[0]))
    at = axis_at(argument(node, 1, "dim", 0), len(x))
    size = flow.shape(node.args[0])[at]
    start = argument(node, 2, "start") or 0
    plain = isinstance(start, int) and argument(node, 4, "step", 1) == 1
    if flow.shape(node)[at] == size:
        return x
    if not plain or x[at] is None:
        flow.fix(x[at])
        x[at] = None
        return x
    start = max(0, axis_at(start, size))
    x[at] = _part(x[at], start, start + flow.shape(node)[at])
    return x


def select(flow: Flow, node: Any) -> Axes:
    """One index of an axis, which must stay where it is."""
    x = list(flow.of(node.args[0]))
    flow.fix(x.pop(axis_at(node.args[1], len(x))))
    return x


def unbind(flow: Flow, node: Any) -> list[Axes]:
    """Every index of an axis by itself."""
    x = list(flow.of(node.args[0]))
    flow.fix(x.pop(axis_at(argument(node, 1, "dim", 0), len(x))))
    return [list(x) for _ in flow.shapes[node]]


def reduce(flow: Flow, node: Any) -> Axes:
    """What is summed over counts whole; the other axes go through."""
    x = flow.of(node.args[0])
    dims = argument(node, 1, "dim")
    chosen = range(len(x)) if dims is None or dims == [] else dims
    over = {axis_at(at, len(x)) for at in ([chosen] if isinstance(chosen, int) else chosen)}
    flow.fix(*(x[at] for at in over))
    kept = len(flow.shape(node)) == len(x)
    return [None if at in over else axis for at, axis in enumerate(x) if kept or at not in over]


def spatial(flow: Flow, node: Any) -> Axes:
    """Pooling and resizing: channels by themselves, each place mixed with those around it."""
    x = flow.of(node.args[0])
    rank = 2 if len(x) > 2 else 1
    flow.fix(*x[rank:])
    return [*x[:rank], *([None] * (len(x) - rank))]


def pad(flow: Flow, node: Any) -> Axes:
    """Values added around; those that were there keep their channels."""
    import numpy as np

    x, old, new = flow.of(node.args[0]), flow.shape(node.args[0]), flow.shape(node)
    widths = list(node.args[1])
    constant = "constant" in node.target._schema.name or argument(node, 2, "mode") == "constant"
    out: Axes = []
    for at, axis in enumerate(x):
        if axis is None or old[at] == new[at]:
            out.append(axis)
            continue
        left, right = widths[2 * (len(x) - 1 - at) :][:2]
        if not constant or left < 0 or right < 0:
            flow.fix(axis)
            out.append(None)
            continue
        ends = [np.zeros(width, np.int64) for width in (left, right)]
        out.append(np.concatenate([ends[0], axis, ends[1]]))
    return out


def glu(flow: Flow, node: Any) -> Axes:
    """One half gates the other."""
    x = list(flow.of(node.args[0]))
    at = axis_at(argument(node, 1, "dim", -1), len(x))
    axis = x[at]
    if axis is not None:
        half = len(axis) // 2
        flow.tie(axis[:half], axis[half:])
        x[at] = axis[:half]
    return x


def getitem(flow: Flow, node: Any) -> Any:
    """One of several values."""
    found = flow.axes.get(node.args[0])
    return found[node.args[1]] if found else None


def _part(axis: Axis, start: int, stop: int) -> Axis:
    """A stretch of an axis; one index by itself stays, or nothing would be left."""
    return None if axis is None else axis[start:stop]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("cat", "concat"), cat),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), split),
    "slice": slice_,
    "select": select,
    "unbind": unbind,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std"), reduce),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
         "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
         "adaptive_max_pool2d", "upsample_nearest2d", "upsample_bilinear2d",
         "upsample_nearest1d", "upsample_bicubic2d"),
        spatial,
    ),
    **dict.fromkeys(("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d"), pad),
    "glu": glu,
}  # fmt: skip
"""By operation."""
