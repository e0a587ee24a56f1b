"""convert_fp16: half precision, but where it cannot hold the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import Signature, TensorSpec
from optkit.rewrite import half as method
from optkit.rewrite import half_ir

if TYPE_CHECKING:
    import onnx
    import onnx_ir


class Options(BaseModel):
    """Options of `convert_fp16`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_io: bool = Field(True, description="inputs and outputs stay float32; in IR always")
    keep_fp32: tuple[str, ...] = Field((), description="names of nodes that stay in float32 (ONNX)")


@transform(
    Options, takes=("onnx", "ir"), needs=("onnx", "onnx-ir", "onnxruntime", "openvino"),
    precision="fp16", after=("fuse_batchnorm", "simplify"), uses_data=True,
    changes_signature=True,
)  # fmt: skip
def convert_fp16(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights in half precision; ONNX computes in it too.

    Weights that overflow, underflow or lose more than 1 % of their norm stay in float32 and are
    named; in ONNX so do nodes whose values leave the range on the calibration samples. An IR has
    only its weights in half precision: what it computes in, the device chooses.

    Given:
        float32 weights
    Result:
        float16 weights: in IR widened again where they are used, in ONNX computed with directly
    """
    if artifact.format == "ir":
        return _convert_ir(artifact, options, context)
    return _convert_onnx(artifact, options, context)


def _convert_ir(artifact: Artifact, options: Options, context: Context) -> Outcome:
    from optkit.formats import ir

    model = ir.load(artifact)
    if not half_ir.float32_constants(model):
        return unchanged("no float32 weights")
    if options.keep_fp32 or not options.keep_io:
        raise bad_input(
            "convert_fp16: of an IR only the weights are stored in float16",
            "leave out keep_io and keep_fp32, or convert the ONNX model",
        )
    path = context.output / ir.FILE
    ir.save(model, path, compress_to_fp16=True)  # leaves alone what mostly leaves the range
    kept = half_ir.unfit_constants(ir.load(replace(artifact, path=path)))
    return _outcome(artifact, options, path, kept)


def _convert_onnx(artifact: Artifact, options: Options, context: Context) -> Outcome:
    import onnx_ir
    from onnx import TensorProto
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from optkit.formats import onnx

    if not any(t.data_type == TensorProto.FLOAT for t in onnx.load(artifact).graph.initializer):
        return unchanged("no float32 weights")
    if artifact.bytes > 2_000_000_000:
        raise OptkitError(
            f"convert_fp16: '{artifact.path.name}' is above 2 GB, too large for its converter",
            "convert it to ir first: convert_fp16 takes an IR of any size",
        )
    model = onnx.read_graph(artifact)
    method.name_nodes(model)
    names = [node.name for node in model.graph.all_nodes()]
    if unknown := sorted(set(options.keep_fp32) - set(names)):
        raise bad_input(
            f"convert_fp16: no node is named '{unknown[0]}'", "mend keep_fp32 in the recipe"
        )
    kept, trouble = _unfit(model, context)
    blocked = [*options.keep_fp32, *method.touching(model, kept)]
    try:
        half = onnx_ir.to_proto(model)
        del half.graph.value_info[:]  # else the converter puts casts behind float32 weights
        half = convert_float_to_float16(
            half, keep_io_types=options.keep_io, node_block_list=blocked
        )
        del half.graph.value_info[:]  # it tells wrong types around what stays in float32
        made = onnx_ir.from_proto(half)
        method.bypass_round_trips(made, names)
        path = context.output / onnx.FILE
        onnx.write_graph(onnx.tidy_graph(made), path)
        _session(str(path))
    except Exception as error:
        return unchanged(f"the conversion breaks the model: {root_cause(error)}")
    done = _outcome(artifact, options, path, kept)
    reason = "; ".join(filter(None, (done.reason, trouble))) or None
    return replace(
        done, reason=reason, details={**done.details, "samples": context.samples().source}
    )


def _unfit(model: onnx_ir.Model, context: Context) -> tuple[dict[str, str], str | None]:
    """What half precision does not hold, and why values could not be looked at, if so."""
    kept, sessions = method.unfit_weights(model), list[Any]()

    def run(watching: onnx.ModelProto, sample: Mapping[str, Any]) -> dict[str, Any]:
        if not sessions:
            sessions.append(_session(watching.SerializeToString()))
        ports = [port.name for port in sessions[0].get_outputs()]
        return dict(zip(ports, sessions[0].run(None, dict(sample)), strict=True))

    try:
        return {**kept, **method.unfit_values(model, run, context.samples())}, None
    except Exception as error:
        return kept, f"its values were not looked at: {root_cause(error)}"


def _session(model: str | bytes) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def _outcome(artifact: Artifact, options: Options, path: Any, kept: Mapping[str, str]) -> Outcome:
    face = artifact.signature
    if not options.keep_io:
        face = Signature(_halved(face.inputs), _halved(face.outputs))
    found = [{"value": name, "why": why} for name, why in kept.items()]
    return Outcome(path, method.told(kept), {"kept_fp32": found}, face)


def _halved(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, dtype="float16") if spec.dtype == "float32" else spec for spec in specs
    )
