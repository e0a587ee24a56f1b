"""Questions about a value in an ONNX graph that every rewriting asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

_DENSE = frozenset(("value", "value_float", "value_floats", "value_int", "value_ints"))
"""Where a Constant node holds an array of numbers."""


def constant(value: ir.Value | None) -> np.ndarray | None:
    """The array behind an initializer or a Constant node; None where it can vary.

    An initializer that is a graph input too can be fed anew, and so can vary.
    """
    import onnx_ir as ir

    if value is None or value.is_graph_input():
        return None
    node = computed_by(value, "Constant")
    if node is not None and not _DENSE & node.attributes.keys():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def sole_user(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, once; None where others do, or where it is an output.

    Nodes inside the bodies of If, Loop and Scan count as users.
    """
    users = list(value.uses())
    if len(users) != 1 or value.is_graph_output():
        return None
    return users[0].node


def computed_by(value: ir.Value | None, *kinds: str) -> ir.Node | None:
    """The node of one of these kinds, of ONNX's own operators, that computes a value."""
    node = None if value is None else value.producer()
    if node is None or node.domain not in {"", "ai.onnx"} or node.op_type not in kinds:
        return None
    return node


def rank(value: ir.Value | None) -> int | None:
    """The number of dimensions, where the graph tells."""
    return None if value is None or value.shape is None else len(value.shape)
