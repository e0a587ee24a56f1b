"""convert_fp16: weights in half precision."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.signature import Signature, TensorSpec


class Options(BaseModel):
    """Options of `convert_fp16`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_io: bool = Field(True, description="inputs and outputs stay float32 (ONNX)")


@transform(
    Options, takes=("onnx", "ir"), needs=("onnx", "onnx-ir", "onnxruntime", "openvino"),
    precision="fp16", after=("fuse_batchnorm", "simplify"), changes_signature=True,
)  # fmt: skip
def convert_fp16(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights in half precision; ONNX computes in it too.

    Given:
        float32 weights
    Result:
        float16 weights: in IR widened again where they are used, in ONNX computed with directly
    """
    if not _has_float32_weights(artifact):
        return unchanged("no float32 weights")
    convert = _convert_ir if artifact.format == "ir" else _convert_onnx
    return convert(artifact, options, context)


def _has_float32_weights(artifact: Artifact) -> bool:
    if artifact.format == "ir":
        import openvino

        from optkit.formats import ir

        model = ir.load(artifact)
        return any(
            op.get_element_type() == openvino.Type.f32
            for op in model.get_ops()
            if op.get_type_name() == "Constant"
        )
    from onnx import TensorProto

    from optkit.formats import onnx

    weights = onnx.load(artifact).graph.initializer
    return any(tensor.data_type == TensorProto.FLOAT for tensor in weights)


def _convert_ir(artifact: Artifact, _: Options, context: Context) -> Outcome:
    from optkit.formats import ir

    path = context.output / "model.xml"
    ir.save(ir.load(artifact), path, compress_to_fp16=True)
    return Outcome(path)


def _convert_onnx(artifact: Artifact, options: Options, context: Context) -> Outcome:
    import onnx_ir
    from onnx_ir.passes.common import TopologicalSortPass
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from optkit.formats import onnx

    half = convert_float_to_float16(onnx.load(artifact), keep_io_types=options.keep_io)
    model = onnx_ir.from_proto(half)  # the converter puts its casts at the end of the graph
    TopologicalSortPass()(model)
    path = context.output / "model.onnx"
    onnx.save(onnx_ir.to_proto(model), path)
    face = artifact.signature
    if not options.keep_io:
        face = Signature(_halved(face.inputs), _halved(face.outputs))
    return Outcome(path, signature=face)


def _halved(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, dtype="float16") if spec.dtype == "float32" else spec for spec in specs
    )
