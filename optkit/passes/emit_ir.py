"""emit_ir: a model as OpenVINO IR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, conversion
from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, Shape, Signature, TensorSpec

if TYPE_CHECKING:
    import openvino


class Options(BaseModel):
    """Options of `emit_ir`: none yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@conversion(
    Options, takes=("torchscript", "exported", "onnx"), gives="ir", needs=("openvino", "torch"),
    cost=1,
)  # fmt: skip
def emit_ir(artifact: Artifact, options: Options, context: Context) -> Outcome:  # noqa: ARG001
    """Write a model as OpenVINO IR.

    Given:
        TorchScript, an exported program or ONNX
    Result:
        the `.xml` and `.bin` that OpenVINO runs, weights in the precision they had; names and
        shapes are those of the signature

    Raises:
        OptkitError: the network does not use an input, or gives another number of outputs.
    """
    from optkit.formats import ir

    model = _convert(artifact, context)
    _match_signature(model, artifact.signature)
    ir.save(model, path := context.output / ir.FILE)
    return Outcome(path)


def _convert(artifact: Artifact, context: Context) -> openvino.Model:
    import openvino

    if artifact.format == "onnx":
        return openvino.convert_model(_without_comma(artifact, context.scratch))
    if artifact.format == "exported":
        from optkit.formats import exported

        return openvino.convert_model(exported.load(artifact))
    import torch

    from optkit.formats import torchscript
    from optkit.graphs.layer_names import name_layers

    network = torchscript.load(artifact)
    state = network.state_dict()
    if network.inlined_graph.findAllNodes("prim::Loop"):
        # Freezing unrolls loops of a fixed count: quantization leaves alone what is inside a loop.
        network = torch.jit.freeze(network, optimize_numerics=False)
    arrays, specs = context.example(0), artifact.signature.inputs
    example = tuple(torch.from_numpy(arrays[spec.name]) for spec in specs)
    model = openvino.convert_model(
        network,
        example_input=example if len(example) > 1 else example[0],
        input=[(_partial_shape(spec.shape), _type(spec)) for spec in specs],
    )
    name_layers(model, state)
    return model


def _without_comma(artifact: Artifact, scratch: Path) -> Path:
    """The model under a path that OpenVINO does not take for several: it splits at commas."""
    if "," not in str(artifact.path):
        return artifact.path
    for at, file in enumerate(artifact.files):
        (scratch / (file.name if at else "model.onnx")).symlink_to(file.resolve())
    return scratch / "model.onnx"


def _partial_shape(shape: Shape | None) -> openvino.PartialShape:
    import openvino

    dims = [
        openvino.Dimension(dim.low, -1 if dim.high is None else dim.high)
        if isinstance(dim, Dim) and (dim.low, dim.high) != (1, None)
        else openvino.Dimension(-1 if isinstance(dim, Dim) else dim)
        for dim in shape or ()
    ]
    return openvino.PartialShape(dims)


def _type(spec: TensorSpec) -> Any:
    import numpy as np
    import openvino

    return openvino.Type.bf16 if spec.dtype == "bfloat16" else openvino.Type(np.dtype(spec.dtype))


def _match_signature(model: openvino.Model, signature: Signature) -> None:
    """Give ports the names and shapes of the signature; both sides keep the network's order."""
    if len(model.outputs) != len(signature.outputs):
        raise OptkitError(
            f"OpenVINO gives {len(model.outputs)} outputs, the source {len(signature.outputs)}"
        )
    ports = {}
    for index, spec in enumerate(signature.inputs):
        ports[spec.name] = _input(model, spec.name, index, len(signature.inputs))
        ports[spec.name].get_tensor().set_names({spec.name})
        ports[spec.name].get_node().set_friendly_name(spec.name)
        if ports[spec.name].get_element_type().is_dynamic():  # as in front of a loop
            ports[spec.name].get_node().set_element_type(_type(spec))
    named = [*ports.values()]
    for spec, port in zip(signature.outputs, model.outputs, strict=True):
        named.append(_own_tensor(port, named))
        named[-1].get_tensor().set_names({spec.name})
    model.validate_nodes_and_infer_types()  # outputs take on the names of their tensors
    model.reshape({port: _partial_shape(spec.shape) for spec, port in
                   zip(signature.inputs, ports.values(), strict=True)})  # fmt: skip


def _own_tensor(port: openvino.Output, named: Sequence[openvino.Output]) -> openvino.Output:
    """The tensor behind an output; a copy where another end has it: names belong to tensors."""
    from openvino import opset13

    result = port.get_node()
    source = result.input_value(0)
    if source not in named:
        return source
    copy = opset13.convert(source, source.get_element_type()).output(0)
    result.input(0).replace_source_output(copy)
    return copy


def _input(model: openvino.Model, name: str, index: int, count: int) -> openvino.Output:
    found = [port for port in model.inputs if name in port.get_names()]
    if found or len(model.inputs) == count:
        return found[0] if found else model.inputs[index]
    raise OptkitError(
        f"OpenVINO dropped input '{name}': the network does not use it",
        "take it out of the network's forward()",
    )
