"""ONNX graphs built node by node, and a strict comparison of two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import onnxruntime
from onnx import helper, numpy_helper

from optkit.core.contract import Edit
from optkit.formats import onnx as format_

Shape = Sequence[int | str]


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    constants: Mapping[str, np.ndarray],
    *,
    opset: int = 20,
    dtype: type = np.float32,
) -> onnx.ModelProto:
    """A model, checked; every input and output has the same dtype."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ports = [
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    held = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", *ports, held),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def written(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "source.onnx"
    onnx.save(model, path)
    return path


def rewritten(model: onnx.ModelProto, rewrite, folder: Path) -> tuple[onnx.ModelProto, Edit]:
    """The model after a rewriting, read and written as the engine does it; the checker passes."""
    source = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model))
    edit = rewrite(source)
    path = folder / "rewritten.onnx"
    format_.write_graph(source, path)
    return onnx.load(path), edit


def outputs_of(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs, by ONNX Runtime without any optimization of its own."""
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))


def assert_same(
    before: onnx.ModelProto,
    after: onnx.ModelProto,
    feeds: Mapping[str, np.ndarray],
    tolerance: float = 1e-5,
) -> None:
    """Same inputs and outputs; values within `tolerance` of the largest of each output."""
    for side in ("input", "output"):
        old, new = ([_face(port) for port in getattr(m.graph, side)] for m in (before, after))
        assert old == new
    for want, have in zip(outputs_of(before, feeds), outputs_of(after, feeds), strict=True):
        assert want.shape == have.shape
        assert want.dtype == have.dtype
        assert np.ptp(want) > 0, "a constant output proves nothing"
        assert np.abs(want - have).max() <= tolerance * np.abs(want).max()


def _face(port: onnx.ValueInfoProto) -> tuple[str, int, int]:
    """Name, dtype and rank."""
    kind = port.type.tensor_type
    return port.name, kind.elem_type, len(kind.shape.dim)
