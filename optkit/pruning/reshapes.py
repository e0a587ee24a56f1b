"""How channels go through what only lays values out anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import Flow, Rule, Shape, axis_at, unknown

if TYPE_CHECKING:
    import numpy as np

    from optkit.pruning.coupling import Axes


# An axis this short is no row of heads or channels: it tells query, key and value, or two halves.
_FEW = 3


def same(flow: Flow, node: Any) -> Axes:
    """The values as they were."""
    return flow.of(node.args[0])


def permute(flow: Flow, node: Any) -> Axes:
    """Axes in another order."""
    x = flow.of(node.args[0])
    return [x[axis_at(at, len(x))] for at in node.args[1]]


def transpose(flow: Flow, node: Any) -> Axes:
    """Two axes exchanged; of a matrix, without saying which."""
    x = list(flow.of(node.args[0]))
    one, other = (node.args[1], node.args[2]) if len(node.args) > 2 else (-1, -2)
    if len(x) > 1:
        x[one], x[other] = x[other], x[one]
    return x


def unsqueeze(flow: Flow, node: Any) -> Axes:
    """A new axis of size 1."""
    x = list(flow.of(node.args[0]))
    x.insert(axis_at(node.args[1], len(x) + 1), None)
    return x


def reshape(flow: Flow, node: Any) -> Axes:
    """Axes merged and split: block by block, as far as sizes agree."""
    old, new = flow.shape(node.args[0]), flow.shape(node)
    x = flow.of(node.args[0])
    if math.prod(old) == 0:
        axes: Axes = unknown(flow, node)
        return axes
    out: Axes = []
    i = j = 0
    while i < len(old) or j < len(new):
        first, start = i, j
        p = q = 1
        if i < len(old):
            p, i = old[i], i + 1
        if j < len(new):
            q, j = new[j], j + 1
        while p != q:
            if p < q:
                p, i = p * old[i], i + 1
            else:
                q, j = q * new[j], j + 1
        out += _block(flow, x[first:i], old[first:i], new[start:j])
    return out


def _block(flow: Flow, axes: Axes, old: Shape, new: Shape) -> Axes:
    import numpy as np

    carriers = [at for at, axis in enumerate(axes) if axis is not None]
    if not carriers:
        return [None] * len(new)
    for at in carriers[1:]:  # only one of them can still be told apart afterwards
        flow.fix(axes[at])
    carrier = carriers[0]
    sizes = [size if at == carrier else 1 for at, size in enumerate(old)]
    elements = np.broadcast_to(np.asarray(axes[carrier]).reshape(sizes), old).reshape(-1)
    real = [at for at, size in enumerate(new) if size > 1]
    if not real:
        flow.fix(axes[carrier])
        return [None] * len(new)
    cube = elements.reshape([new[at] for at in real])
    chosen = _carrier(flow, cube)
    rows = np.moveaxis(cube, chosen, 0).reshape(cube.shape[chosen], -1)
    flow.channels.gather(rows, flow.here)
    return [rows[:, 0] if at == real[chosen] else None for at in range(len(new))]


def _carrier(flow: Flow, cube: np.ndarray) -> int:
    """The axis along which channels can go: the one they vary along, else the likeliest."""
    import numpy as np

    roots = flow.channels.roots(cube.reshape(-1)).reshape(cube.shape)
    for at in range(cube.ndim):
        rows = np.moveaxis(roots, at, 0).reshape(cube.shape[at], -1)
        if (rows == rows[:, :1]).all():
            return at
    sizes = cube.shape
    long = (at for at, size in enumerate(sizes) if size > _FEW)
    return next(long, int(np.argmax(sizes)))


def expand(flow: Flow, node: Any) -> Axes:
    """Axes of size 1 repeated, new ones in front."""
    source, shape = node.args[0], flow.shape(node)
    x = flow.of(source)
    lead = len(shape) - len(x)
    old = flow.shape(source)
    return [
        None if at < lead or old[at - lead] != size else x[at - lead]
        for at, size in enumerate(shape)
    ]


def pixel_shuffle(flow: Flow, node: Any) -> Axes:
    """(C·r², H, W) as (C, H·r, W·r)."""
    x = flow.of(node.args[0])
    axis = x[-3]
    if axis is None:
        return list(x)
    rows = axis.reshape(-1, int(node.args[1]) ** 2)
    flow.channels.gather(rows, flow.here)
    return [*x[:-3], rows[:, 0], None, None]


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("contiguous", "clone", "alias", "dropout", "feature_dropout", "detach", "to", "_to_copy",
         "lift_fresh_copy", "type_as"),
        same,
    ),
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "squeeze", "_unsafe_view", "view_copy"),
        reshape,
    ),
    "permute": permute,
    **dict.fromkeys(("transpose", "t", "numpy_T", "swapaxes"), transpose),
    "unsqueeze": unsqueeze,
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), expand),
    "pixel_shuffle": pixel_shuffle,
}  # fmt: skip
"""By operation."""
