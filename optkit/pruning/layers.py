"""How channels go through convolutions, norms and other layers with weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optkit.pruning.flow import Flow, Rule, argument, broadcast
from optkit.pruning.graph import groups_of, is_transposed

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


def _grouped(flow: Flow, given: Axis, out: Axis, groups: int, *, transposed: bool) -> Axis:
    """Each group's inputs and outputs as one unit."""
    import numpy as np

    if transposed or given is None or out is None:
        flow.fix(given, out)
        return None
    rows = np.concatenate([given.reshape(groups, -1), out.reshape(groups, -1)], axis=1)
    flow.channels.gather(rows, flow.here)
    return out


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
    **dict.fromkeys(("batch_norm", "instance_norm"), channel_norm),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    "group_norm": group_norm,
    "embedding": embedding,
    "prelu": prelu,
}  # fmt: skip
"""By operation; matrix products are in `products`, the rest in `moves` and `reshapes`."""
