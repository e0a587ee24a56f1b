"""ONNX Runtime runs ONNX."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

RUNS = ("onnx",)
NEEDS = ("onnxruntime",)

_PROVIDERS = {"CPU": "CPUExecutionProvider", "CUDA": "CUDAExecutionProvider"}
_FLOAT = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"})
_INTEGER = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeMatMul",
    "QAttention",
)
_FLOATS = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}
_BY_WAY_OF = frozenset({"DequantizeLinear", "Cast", "Transpose", "Reshape", "Identity"})


def devices() -> tuple[str, ...]:
    """`CPU`, and `CUDA` where this build of ONNX Runtime has it."""
    import onnxruntime

    known = onnxruntime.get_available_providers()
    return tuple(device for device, provider in _PROVIDERS.items() if provider in known)


def open_session(artifact: Artifact, settings: Settings) -> Session:
    """Load and optimize the graph for a device.

    Raises:
        OptkitError: no such device or precision (bad input), or the device refuses the model.
    """
    if settings.device not in devices():
        raise bad_input(
            f"ONNX Runtime has no device '{settings.device}' here", f"one of {', '.join(devices())}"
        )
    if settings.infer_precision != "f32":
        raise bad_input(
            f"ONNX Runtime computes in the model's own precision, not in "
            f"{settings.infer_precision} by a setting",
            "convert the model itself: --precision fp16",
        )
    session = _open(artifact, settings)
    names = [spec.name for spec in artifact.signature.inputs]
    # half inputs are fed from the same samples as those of the float32 model
    half = {port.name for port in session.get_inputs() if port.type == "tensor(float16)"}
    outputs = [output.name for output in session.get_outputs()]
    signature = [spec.name for spec in artifact.signature.outputs]
    wanted = signature if set(signature) == set(outputs) else outputs

    def infer(arrays: Arrays) -> dict[str, np.ndarray]:
        feed = {
            name: arrays[name].astype("float16", copy=False) if name in half else arrays[name]
            for name in names
        }
        values = session.run(wanted, feed)
        return {name: _float32(value) for name, value in zip(wanted, values, strict=True)}

    used = session.get_session_options().intra_op_num_threads
    return Session(
        infer,
        lambda: _executed(artifact, settings),
        {"threads": used or "default", "infer_precision": "f32"},
    )


def _open(artifact: Artifact, settings: Settings, save_to: Path | None = None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if settings.threads is not None:
        options.intra_op_num_threads = settings.threads
    if not settings.graph_optimizations:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", "weights"
        )
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_min_size_in_bytes", "1024"
        )
    try:
        return onnxruntime.InferenceSession(
            str(artifact.path), options, providers=[_PROVIDERS[settings.device]]
        )
    except Exception as error:
        raise OptkitError(
            f"ONNX Runtime cannot load {artifact.path.name}: {root_cause(error)}",
            f"look at the model: optkit inspect {artifact.path}",
        ) from error


def _float32(value: np.ndarray) -> np.ndarray:
    import numpy as np

    return value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value


def _executed(artifact: Artifact, settings: Settings) -> dict[str, int]:
    """Read back the graph that ONNX Runtime optimized for this machine."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        _open(artifact, settings, path)
        graph = onnx.load(path, load_external_data=False).graph
    dtypes = {tensor.name: tensor.data_type for tensor in graph.initializer}
    counts: Counter[str] = Counter()
    _count(graph, dtypes, counts)
    return dict(counts)


def _count(graph: Any, dtypes: Mapping[str, int], counts: Counter[str]) -> None:
    """Count the nodes that read a constant weight, those of nested graphs too."""
    import onnx

    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        types = [_constant_type(name, dtypes, makers) for name in node.input]
        precision = _precision(node, [kept for kept in types if kept is not None])
        if precision is not None:
            counts[precision] += 1
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                inner = {tensor.name: tensor.data_type for tensor in attribute.g.initializer}
                _count(attribute.g, {**dtypes, **inner}, counts)


def _precision(node: Any, constants: list[int]) -> str | None:
    """What a node that reads constants of these types computes in; None where it has no weights."""
    kind = node.op_type.removeprefix("Fused")
    if kind == "MatMulNBits":
        return f"w{next((a.i for a in node.attribute if a.name == 'bits'), 4)}a16"
    if kind.startswith(_INTEGER) and constants:
        return "int8"
    floats = [_FLOATS[kept] for kept in constants if kept in _FLOATS]
    return floats[0] if kind in _FLOAT and floats else None


def _constant_type(name: str, dtypes: Mapping[str, int], makers: Mapping[str, Any]) -> int | None:
    """The element type in which a constant reaches its reader; None for what is computed."""
    if name in dtypes or name not in makers:
        return dtypes.get(name)
    node = makers[name]
    if node.op_type == "Constant":
        return next((a.t.data_type for a in node.attribute if a.name == "value"), None)
    if node.op_type not in _BY_WAY_OF or _constant_type(node.input[0], dtypes, makers) is None:
        return None
    if node.op_type == "Cast":
        return next(int(a.i) for a in node.attribute if a.name == "to")
    source = node.input[1 if node.op_type == "DequantizeLinear" else 0]
    return _constant_type(source, dtypes, makers)
