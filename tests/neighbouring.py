"""Small ONNX graphs around a linear operation, and the proof that a rewriting keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import helper, numpy_helper
from onnx_ir.passes import common

from optkit.core.contract import Edit

Node = tuple[str, str, str, dict[str, Any]]
"""Kind, inputs and outputs separated by spaces, attributes."""


def model(
    nodes: Sequence[Node],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    weights: Mapping[str, np.ndarray],
    *,
    opset: int = 17,
    dtype: Any = np.float32,
    fed: Sequence[str] = (),
) -> onnx.ModelProto:
    """A checked model; the weights in `fed` are graph inputs, too."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node(op, a.split(" "), b.split(" "), **facts) for op, a, b, facts in nodes],
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()]
        + [helper.make_tensor_value_info(name, kind, weights[name].shape) for name in fed],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v, dtype), name) for name, v in weights.items()],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 20 else 10
    )
    made = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(made)
    return made


def rewritten(
    given: onnx.ModelProto, rewrite: Callable[[Any], Edit], *, tolerance: float = 1e-5
) -> tuple[Edit, Counter[str]]:
    """Rewrite a model as the engine does; what was done, and the operations that are left.

    Checked: the result is valid ONNX with the same signature and the same outputs within
    `tolerance` of the largest value, fewer operations where something changed, and nothing more to
    do for a second time.
    """
    found, made = _once(given, rewrite)
    assert made.graph.input == given.graph.input
    assert [v.name for v in made.graph.output] == [v.name for v in given.graph.output]
    onnx.checker.check_model(made, full_check=True)
    for want, got in zip(_run(given), _run(made), strict=True):
        assert want.shape == got.shape
        assert want.dtype == got.dtype
        error = np.abs(want.astype("f8") - got.astype("f8")).max()
        assert error <= tolerance * np.abs(want.astype("f8")).max()
    if found.changed:
        assert sum(_counts(made).values()) < sum(_counts(given).values())
    again, _ = _once(made, rewrite)
    assert not again.changed
    return found, _counts(made)


def _once(given: onnx.ModelProto, rewrite: Callable[[Any], Edit]) -> tuple[Edit, onnx.ModelProto]:
    graph = ir.from_proto(onnx.shape_inference.infer_shapes(given))
    found = rewrite(graph)
    if not found.changed:
        return found, given
    common.RemoveUnusedNodesPass()(graph)
    common.TopologicalSortPass()(graph)
    return found, ir.to_proto(graph)


def _counts(given: onnx.ModelProto) -> Counter[str]:
    nodes = ir.from_proto(given).graph.all_nodes()
    return Counter(node.op_type for node in nodes if node.op_type != "Constant")


def _run(given: onnx.ModelProto) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        given.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    draw = np.random.default_rng(3)
    feed = {}
    for value in given.graph.input:
        kind = value.type.tensor_type
        shape = [dim.dim_value or 2 for dim in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        feed[value.name] = draw.standard_normal(shape).astype(dtype)
    return session.run(None, feed)
