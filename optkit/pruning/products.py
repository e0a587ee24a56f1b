"""How channels go through products: of matrices, and attention's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import Flow, Rule, argument, axis_at, unknown

if TYPE_CHECKING:
    from optkit.pruning.coupling import Axes, Axis


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


RULES: dict[str, Rule] = {
    "linear": linear,
    "addmm": addmm,
    **dict.fromkeys(("mm", "bmm", "matmul"), matmul),
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), softmax),
    "einsum": einsum,
}
"""By operation."""
