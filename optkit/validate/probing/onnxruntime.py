"""Looks into ONNX: the graph with other outputs, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.refusals import does_not_load
from optkit.core.settings import Settings
from optkit.graphs.onnx_tensors import tensors
from optkit.validate.probing import Probe

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.probing import Arrays, Infer


def probe(artifact: Artifact, example: Arrays) -> Probe:  # noqa: ARG001 - the graph tells all
    """Its tensors by the names of the values; weights stay in their files."""
    import onnx

    model = onnx.load(artifact.path, load_external_data=False)
    kinds = _kinds(model)
    found = tensors(model, kinds)
    keys = {tensor.key for tensor in found}
    outputs = {value.name: value.name for value in model.graph.output if value.name in keys}
    return Probe(found, outputs, lambda wanted: _open(artifact, model, wanted))


def _kinds(model: Any) -> dict[str, int]:
    """Element types of values, as far as inference finds them."""
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except Exception:  # a model that ORT takes may be more than inference can follow
        inferred = model
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type or 1 for value in values}


def _open(artifact: Artifact, model: Any, keys: Sequence[str]) -> Infer:
    import onnx
    import onnxruntime

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    del tapped.graph.output[:]
    tapped.graph.output.extend(onnx.ValueInfoProto(name=key) for key in keys)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(artifact.path.parent)
    )
    try:
        session = onnxruntime.InferenceSession(
            tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise does_not_load("ONNX Runtime", artifact, Settings(), error) from error
    half = {port.name for port in session.get_inputs() if port.type == "tensor(float16)"}
    names = [port.name for port in session.get_inputs()]

    def infer(arrays: Arrays) -> Mapping[str, np.ndarray]:
        feed = {
            name: arrays[name].astype("float16") if name in half else arrays[name] for name in names
        }
        values = zip(keys, session.run(list(keys), feed), strict=True)
        return {key: value for key, value in values if value.dtype.kind == "f"}

    return infer
