"""Looks into IR: the model with other results, run by OpenVINO in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optkit.core.artifact import Artifact
from optkit.core.refusals import does_not_load
from optkit.core.settings import Settings
from optkit.formats import ir
from optkit.graphs.ir_core import shared_core
from optkit.graphs.ir_tensors import ports, tensors
from optkit.validate.probing import Probe

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.probing import Arrays, Infer


def probe(artifact: Artifact, example: Arrays) -> Probe:  # noqa: ARG001 - the graph tells all
    """Its tensors by the friendly names of their nodes; weights are mapped from the file."""
    model = ir.load(artifact)
    specs = artifact.signature
    inputs = {
        port.get_node().get_friendly_name(): specs.inputs[at].name
        for at, port in enumerate(model.inputs)
    }
    found = tensors(model, inputs)
    keys = {tensor.key for tensor in found}
    outputs = {}
    for at, port in enumerate(model.outputs):
        source = port.get_node().input_value(0)
        key = f"{source.get_node().get_friendly_name()}:{source.get_index()}"
        if key in keys and at < len(specs.outputs):
            outputs[specs.outputs[at].name] = key
    return Probe(found, outputs, lambda wanted: _open(artifact, wanted))


def _open(artifact: Artifact, keys: Sequence[str]) -> Infer:
    import openvino
    from openvino import opset13

    model = ir.load(artifact)
    by_key = dict(ports(model))
    results = []
    for key in keys:
        port = by_key[key]
        if port.get_element_type() != openvino.Type.f32:  # numpy has no bf16
            port = opset13.convert(port, openvino.Type.f32).output(0)
        results.append(opset13.result(port))
    tapped = openvino.Model(results, model.get_sinks(), model.get_parameters())
    try:
        compiled = shared_core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as error:
        raise does_not_load("OpenVINO", artifact, Settings(), error) from error
    request = compiled.create_infer_request()
    at = {name: place for place, port in enumerate(model.inputs) for name in port.get_names()}
    order = [(spec.name, at.get(spec.name, place))
             for place, spec in enumerate(artifact.signature.inputs)]  # fmt: skip

    def infer(arrays: Arrays) -> Mapping[str, np.ndarray]:
        import numpy as np

        for name, place in order:
            tensor = request.get_input_tensor(place)
            tensor.shape = arrays[name].shape
            np.copyto(tensor.data, arrays[name], casting="same_kind")
        request.infer(share_outputs=True)
        return {key: request.get_output_tensor(i).data.copy() for i, key in enumerate(keys)}

    return infer
