"""How channels go through the operations that carry weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import Flow, Rule, argument, axis_at, broadcast, unknown

if TYPE_CHECKING:
    from optkit.pruning.coupling import Axes, Axis


def convolution(flow: Flow, node: Any) -> Axes:
    """W (O, I/g, …) or, transposed, (I, O/g, …); with groups, whole groups go."""
    x, weight, bias = node.args[0], node.args[1], argument(node, 2, "bias")
    groups, transposed = groups_of(node), is_transposed(node)
    w = flow.of(weight)
    flow.fix(*w[2:])
    spatial = len(flow.shape(node)) - 1
    channel = len(flow.shape(x)) - spatial
    given = flow.of(x)[channel]
    flow.fix(*(axis for at, axis in enumerate(flow.of(x)) if at > channel))
    if groups == 1:
        flow.tie(given, w[0 if transposed else 1])
        out = w[1 if transposed else 0]
    else:
        flow.fix(w[1])
        out = _grouped(flow, given, w[0], groups, transposed=transposed)
    if bias is not None:
        flow.tie(out, flow.of(bias)[0])
    rank = len(flow.shape(node))
    before: Axes = [flow.of(x)[0]] if channel else []
    return [*before, out, *([None] * (rank - channel - 1))]


def groups_of(node: Any) -> int:
    """The number of groups of a convolution."""
    return int(argument(node, groups_position(node), "groups", 1))


def groups_position(node: Any) -> int:
    """Where among its arguments a convolution has its number of groups."""
    name = node.target._schema.name
    if name.endswith("convolution"):
        return 8
    return 7 if "transpose" in name else 6


def is_transposed(node: Any) -> bool:
    """Whether a convolution is a transposed one."""
    name = node.target._schema.name
    if name.endswith("convolution"):
        return bool(argument(node, 6, "transposed", default=False))
    return "transpose" in name


def _grouped(flow: Flow, given: Axis, out: Axis, groups: int, *, transposed: bool) -> Axis:
    """Each group's inputs and outputs as one unit."""
    import numpy as np

    if transposed or given is None or out is None:
        flow.fix(given, out)
        return None
    rows = np.concatenate([given.reshape(groups, -1), out.reshape(groups, -1)], axis=1)
    flow.channels.gather(rows, flow.here)
    return out


def linear(flow: Flow, node: Any) -> Axes:
    """A product: y = x Wᵀ + b with W (out, in)."""
    x, weight, bias = node.args[0], node.args[1], argument(node, 2, "bias")
    w = flow.of(weight)
    *before, given = flow.of(x)
    flow.tie(given, w[1])
    if bias is not None:
        flow.tie(w[0], flow.of(bias)[0])
    return [*before, w[0]]


def addmm(flow: Flow, node: Any) -> Axes:
    """A product: y = b + x W with W (in, out)."""
    bias, x, weight = node.args[:3]
    w, given = flow.of(weight), flow.of(x)
    flow.tie(given[1], w[0])
    out: Axes = [given[0], w[1]]
    tail = flow.of(bias)
    if len(tail) == 1 and flow.shape(bias)[0] == flow.shape(node)[1]:
        flow.tie(out[1], tail[0])
        return out
    flow.fix(*tail, out[1])
    return [given[0], None]


def matmul(flow: Flow, node: Any) -> Axes:
    """Batched products; the axes before the last two broadcast."""
    a, b = node.args[:2]
    first, second = flow.of(a), flow.of(b)
    if len(first) < 2 or len(second) < 2:
        axes: Axes = unknown(flow, node)
        return axes
    flow.tie(first[-1], second[-2])
    rank = len(flow.shape(node))
    batch: Axes = []
    for back in range(rank, 2, -1):
        known = [
            (axes[-back], flow.shape(item)[-back])
            for item, axes in ((a, first), (b, second))
            if back <= len(axes)
        ]
        full = [axis for axis, size in known if size == flow.shape(node)[-back]]
        flow.fix(*(axis for axis, size in known if size != flow.shape(node)[-back]))
        for other in full[1:]:
            flow.tie(full[0], other)
        batch.append(full[0] if all(axis is not None for axis in full) else None)
    return [*batch, first[-2], second[-1]]


def attention(flow: Flow, node: Any) -> Axes:
    """softmax(q kᵀ) v: heads go together in all three, the values' width by itself."""
    q, k, v = (flow.of(item) for item in node.args[:3])
    shapes = [flow.shape(item) for item in node.args[:3]]
    flow.fix(q[-2], k[-2], v[-2])
    flow.tie(q[-1], k[-1])
    if argument(node, 6, "scale") is None:  # it is the width's
        flow.fix(q[-1])
    batch: Axes = []
    for at in range(len(q) - 2):
        if len({shape[at] for shape in shapes}) > 1:
            flow.fix(q[at], k[at], v[at])
            batch.append(None)
            continue
        flow.tie(q[at], k[at])
        flow.tie(q[at], v[at])
        batch.append(q[at])
    mask = argument(node, 3, "attn_mask")
    if mask is not None:
        for back, axis in enumerate(reversed(flow.of(mask))):
            if flow.shape(mask)[-1 - back] == 1 or back < 2:
                flow.fix(axis)
            elif back < len(q):
                flow.tie(batch[-1 - (back - 2)], axis)
    return [*batch, q[-2], v[-1]]


def channel_norm(flow: Flow, node: Any) -> Axes:
    """BatchNorm and InstanceNorm: a value of each kind per channel of axis 1."""
    x = flow.of(node.args[0])
    for vector in node.args[1:5]:
        if flow.is_tensor(vector):
            flow.tie(x[1], flow.of(vector)[0])
    return x


def layer_norm(flow: Flow, node: Any) -> Axes:
    """Weight and bias have the shape of the last axes."""
    x = flow.of(node.args[0])
    for item in (argument(node, 2, "weight"), argument(node, 3, "bias")):
        if item is not None and flow.is_tensor(item):
            own = flow.of(item)
            for axis, vector in zip(x[-len(own) :], own, strict=True):
                flow.tie(axis, vector)
    return x


def group_norm(flow: Flow, node: Any) -> Axes:
    """Whole groups go, so that what is left is normalized as before."""
    x, groups = flow.of(node.args[0]), int(node.args[1])
    if x[1] is not None:
        flow.channels.gather(x[1].reshape(groups, -1), flow.here)
    for item in (argument(node, 2, "weight"), argument(node, 3, "bias")):
        if item is not None:
            flow.tie(x[1], flow.of(item)[0])
    return x


def embedding(flow: Flow, node: Any) -> Axes:
    """Rows of a table: its columns are channels."""
    table, index = node.args[:2]
    flow.fix(flow.of(table)[0], *flow.of(index))
    return [*([None] * len(flow.shape(index))), flow.of(table)[1]]


def prelu(flow: Flow, node: Any) -> Axes:
    """One slope for all, or one per channel of axis 1."""
    x, slope = flow.of(node.args[0]), node.args[1]
    if flow.shape(slope)[0] > 1:
        flow.tie(x[1], flow.of(slope)[0])
    return x


def softmax(flow: Flow, node: Any) -> Axes:
    """Along its axis every index counts."""
    x = list(flow.of(node.args[0]))
    at = axis_at(int(node.args[1]), len(x))
    flow.fix(x[at])
    x[at] = None
    return x


def einsum(flow: Flow, node: Any) -> Any:
    """Axes of the same letter lose the same indices."""
    equation, given = node.args[0].replace(" ", ""), node.args[1]
    sides = equation.split("->")
    terms = sides[0].split(",")
    if "." in equation or len(sides) < 2 or any(len(set(term)) < len(term) for term in terms):
        return unknown(flow, node)
    found: dict[str, Axis] = {}
    sizes: dict[str, int] = {}
    for term, item in zip(terms, given, strict=True):
        for letter, axis, size in zip(term, flow.of(item), flow.shape(item), strict=True):
            if letter in found:
                flow.tie(found[letter], axis)
                if sizes[letter] != size:
                    return unknown(flow, node)
                axis = None if found[letter] is None else axis  # noqa: PLW2901
            found[letter], sizes[letter] = axis, size
    return [found[letter] for letter in sides[1]]


def pointwise(flow: Flow, node: Any) -> Axes:
    """Each value by itself, tensors broadcast."""
    given = [item for item in node.all_input_nodes if flow.is_tensor(item)]
    return broadcast(flow, node, given)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv3d", "convolution", "_convolution", "conv_transpose1d",
         "conv_transpose2d", "conv_transpose3d"),
        convolution,
    ),
    "linear": linear,
    "addmm": addmm,
    **dict.fromkeys(("mm", "bmm", "matmul"), matmul),
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("batch_norm", "instance_norm"), channel_norm),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    "group_norm": group_norm,
    "embedding": embedding,
    "prelu": prelu,
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), softmax),
    "einsum": einsum,
}  # fmt: skip
"""By operation; the rest is in `moves`."""
