"""Say in an ONNX graph with fewer or plainer nodes what others say in a roundabout way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optkit.rewrite.graph import computed_by, constant, rank

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def know_casts(model: ir.Model) -> None:
    """Make a Cast of each CastLike whose type is known; edits in place.

    A CastLike hangs on a computed value though its result may be a constant.
    """
    for node in model.graph.all_nodes():
        if computed_by(node.outputs[0], "CastLike"):
            _cast(node)


def pad_in_convs(model: ir.Model) -> None:
    """Let Convs pad by themselves what a Pad of zeros pads for them alone; edits in place."""
    for node in list(model.graph.all_nodes()):
        if computed_by(node.outputs[0], "Pad"):
            _pad_in_convs(node)


def _cast(node: ir.Node) -> None:
    import onnx_ir as ir

    like = node.inputs[1]
    if like is None or like.dtype is None:
        return
    node.op_type = "Cast"
    node.resize_inputs(1)
    node.attributes["to"] = ir.AttrInt64("to", int(like.dtype))


def _pad_in_convs(node: ir.Node) -> None:
    import onnx_ir as ir

    uses = list(node.outputs[0].uses())
    convs = [use.node for use in uses if use.idx == 0 and computed_by(use.node.outputs[0], "Conv")]
    added = [_zeros(node, rank(conv.inputs[1])) for conv in convs]
    if node.outputs[0].is_graph_output() or len(convs) < len(uses):
        return
    if any(conv.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" for conv in convs):
        return
    for conv, pads in zip(convs, added, strict=True):
        if pads is not None:
            own = conv.attributes.get_ints("pads", (0,) * pads.size)
            total = [a + b for a, b in zip(own, pads.tolist(), strict=True)]
            conv.attributes["pads"] = ir.AttrInt64s("pads", total)
            conv.replace_input_with(0, node.inputs[0])


def _zeros(node: ir.Node, dims: int | None) -> np.ndarray | None:
    """How many zeros a Pad puts around, as Conv's `pads` has them; None for any other Pad."""
    import numpy as np

    pads, value, axes = (*node.inputs[1:], None, None, None)[:3]
    sides, filled = constant(pads), constant(value)
    if dims is None or sides is None or (value is not None and (filled is None or filled.any())):
        return None
    places = constant(axes) if axes is not None else np.arange(dims)
    if places is None or node.attributes.get_string("mode", "constant") != "constant":
        return None
    around = np.zeros((2, dims), np.int64)
    around[:, places] = sides.reshape(2, -1)
    return None if around.min() < 0 or around[:, :2].any() else around[:, 2:].reshape(-1)
