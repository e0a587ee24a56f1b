"""Fold a scale and a shift, y = s·x + t, into the linear operations beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from optkit.rewrite.graph import sole_user
from optkit.rewrite.linear import (
    AT_BORDER,
    KINDS,
    Linear,
    build,
    fits,
    linear_at,
    linear_before,
    operations,
    scale_inputs,
    scale_outputs,
)
from optkit.rewrite.replacing import add_constant, fresh

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    Vectors = Callable[[Linear, int], tuple[np.ndarray, np.ndarray] | None]
    """The scale and shift of so many channels as a linear operation sees them: float64 of shape
    (channels,); None where they are not one per channel."""

NONE_BESIDE = "no linear operation before or after it"
OTHERS_READ = "others read the value between"
NOT_PER_CHANNEL = "its values are not one per channel of the linear operation"
BORDER = "the border of a subgraph lies between"
NO_GAIN = "as many operations as before"


def fold_back(run: Sequence[ir.Node], data: ir.Value, vectors: Vectors, names: set[str]) -> str:
    """Fold nodes that scale and shift `data` into the operation that computes it.

    Returns why not, or nothing.
    """
    linear = linear_before(data)
    if linear is None or (isinstance(linear, Linear) and linear.nodes[-1] is not data.producer()):
        return NONE_BESIDE
    if sole_user(data) is not run[0]:
        return OTHERS_READ
    scaled = _entered(linear, run[0], vectors, scale_outputs)
    if isinstance(linear, str) or isinstance(scaled, str):
        return str(scaled)
    _replace(list(linear.nodes), run, scaled, linear.nodes[0].inputs[0], names)
    return ""


def fold_on(run: Sequence[ir.Node], data: ir.Value, vectors: Vectors, names: set[str]) -> str:
    """Fold nodes that scale and shift `data` into all the operations that read the result.

    Before padding, W·(s·x + t) = (W·s)·(x + t/s) is exact where Σ W·t in the bias is not: the scale
    is folded, and an Add takes the place of the run. One node would only become another: an Add in
    the place of a BatchNorm was measured to be no faster.

    Returns why not, or nothing.
    """
    result = run[-1].outputs[0]
    uses = list(result.uses())
    if not any(use.idx == 0 and use.node.op_type in KINDS for use in uses):
        return NONE_BESIDE
    if result.is_graph_output() or not all(
        use.idx == 0 and use.node.op_type in KINDS and not use.node.domain for use in uses
    ):
        return OTHERS_READ
    readers = [use.node for use in uses]
    plans, rest = _plans(readers, run[0], vectors, scale_inputs), None
    if plans == AT_BORDER and len(run) > 1:
        rest = _shift_first(readers[0], vectors)
        plans = AT_BORDER if rest is None else _plans(readers, run[0], vectors, _scale_alone)
    if isinstance(plans, str):
        return plans
    before = len(run) + sum(len(linear.nodes) for linear, _ in plans)
    if rest is None and sum(operations(made) for _, made in plans) >= before:
        return NO_GAIN
    graph = run[0].graph
    assert graph is not None
    if rest is not None:
        data = _added(run[-1], data, rest, names)
    for linear, made in plans:
        _replace(list(linear.nodes), [], made, data, names)
    graph.remove(run, safe=True)
    return ""


def _plans(
    readers: Sequence[ir.Node], first: ir.Node, vectors: Vectors, enter: Callable[..., Linear | str]
) -> list[tuple[Linear, Linear]] | str:
    """Each of the operations, and what becomes of it; or why one of them cannot take part."""
    plans = []
    for reader in readers:
        linear = linear_at(reader)
        made = _entered(linear, first, vectors, enter)
        if isinstance(linear, str) or isinstance(made, str):
            return str(made)
        plans.append((linear, made))
    return plans


def _scale_alone(linear: Linear, scale: np.ndarray, shift: np.ndarray) -> Linear | str:
    return scale_inputs(linear, scale, shift * 0)


def _shift_first(reader: ir.Node, vectors: Vectors) -> np.ndarray | None:
    """t/s, as it is added to what an operation reads; None where the dtype does not hold it."""
    import numpy as np

    linear = linear_at(reader)
    assert isinstance(linear, Linear)
    found = vectors(linear, linear.inputs)
    assert found is not None
    scale, shift = found
    with np.errstate(all="ignore"):
        shift = shift / scale
    if not fits(shift, linear.weight.dtype):
        return None
    return shift.astype(linear.weight.dtype).reshape(-1, *[1] * (-1 - linear.axis))


def _added(last: ir.Node, data: ir.Value, shift: np.ndarray, names: set[str]) -> ir.Value:
    """`data` with a shift added, computed before the node `last`."""
    import onnx_ir as ir

    old = last.outputs[0]
    held = add_constant(last, fresh(f"{old.name}_shift", names), shift)
    node = ir.node("Add", [data, held])
    value = node.outputs[0]
    value.name, value.type, value.shape = fresh(f"{old.name}_shifted", names), old.type, old.shape
    assert last.graph is not None
    last.graph.insert_before(last, node)
    return value


def _entered(
    linear: Linear | str, node: ir.Node, vectors: Vectors, enter: Callable[..., Linear | str]
) -> Linear | str:
    """The linear operation with the scale and shift in it; or why not."""
    if isinstance(linear, str):
        return linear
    if linear.nodes[0].graph is not node.graph:
        return BORDER
    found = vectors(linear, linear.outputs if enter is scale_outputs else linear.inputs)
    return NOT_PER_CHANNEL if found is None else enter(linear, *found)


def _replace(
    nodes: list[ir.Node],
    run: Sequence[ir.Node],
    linear: Linear,
    data: ir.Value | None,
    names: set[str],
) -> None:
    """Put an operation in the place of nodes and a run after; its output keeps the name."""
    from onnx_ir import convenience

    old = [*nodes, *run]
    graph = old[-1].graph
    assert graph is not None
    assert data is not None
    new = build(linear, data, names)
    convenience.replace_nodes_and_values(
        graph, old[-1], old, new, [old[-1].outputs[0]], [new[-1].outputs[0]]
    )
