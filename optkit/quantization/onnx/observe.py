"""Hands out values of an ONNX graph, or what they come down to within it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optkit.quantization.onnx.shapes import shapes
from optkit.quantization.tools import Figure

_AXES_AS_INPUT = 18
"""The first opset in which the axes of these reductions are an input."""


def observed(model: Any, figures: Sequence[Figure]) -> Any:
    """A copy of the graph whose outputs are these figures in float32, in order.

    Where a value's rank is not known, the value itself stands for its figure.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    dims = shapes(model) if any(figure.reduction for figure in figures) else {}
    opset = max(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    del copy.graph.output[:]
    for at, figure in enumerate(figures):
        name = f"{figure.key}/{figure.reduction or 'observed'}/{at}"
        rank = len(dims[figure.key]) if figure.key in dims else None
        copy.graph.node.append(_node(figure, name, rank, opset, copy.graph))
        end = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        copy.graph.output.append(end)
    return copy


def _node(figure: Figure, name: str, rank: int | None, opset: int, graph: Any) -> Any:
    import numpy as np
    import onnx

    axes = figure.axes(rank) if rank is not None and figure.reduction else ()
    if not axes:
        return onnx.helper.make_node("Identity", [figure.key], [name])
    if opset < _AXES_AS_INPUT:
        return onnx.helper.make_node(figure.reduction, [figure.key], [name], axes=axes, keepdims=1)
    given = onnx.numpy_helper.from_array(np.asarray(axes, np.int64), f"{name}/axes")
    graph.initializer.append(given)
    return onnx.helper.make_node(figure.reduction, [figure.key, given.name], [name], keepdims=1)
