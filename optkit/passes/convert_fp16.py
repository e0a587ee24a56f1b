"""convert_fp16: half precision, but where it cannot hold the values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import bad_input, root_cause
from optkit.core.settings import Settings
from optkit.core.signature import Signature, TensorSpec
from optkit.rewrite import half as method
from optkit.rewrite import half_ir, half_onnx

if TYPE_CHECKING:
    import onnx_ir


class Options(BaseModel):
    """Options of `convert_fp16`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    keep_io: bool = Field(True, description="inputs and outputs stay float32")
    keep_fp32: tuple[str, ...] = Field((), description="names of nodes that stay in float32")


@transform(
    Options, takes=("onnx", "ir"), needs=("onnx", "onnx-ir", "onnxruntime", "openvino"),
    precision="fp16", after=("prune", "recover", "fuse_batchnorm", "simplify"), uses_data=True,
    changes_signature=True,
)  # fmt: skip
def convert_fp16(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights in half precision; ONNX computes in it too.

    Weights that overflow, underflow or lose more than 1 % of their norm stay in float32 and are
    named; in ONNX so do nodes whose values leave the range on the calibration samples, and what
    bodies of If, Loop and Scan compute. An IR has only its weights in half precision: what it
    computes in, the device chooses.

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
    from optkit.graphs.ir_graph import walk
    from optkit.runtimes import openvino

    model = ir.load(artifact)
    _know(options.keep_fp32, (op.get_friendly_name() for op in walk(model)))
    kept = half_ir.unfit_constants(model)
    changed = half_ir.lower_weights(model, {*kept, *options.keep_fp32})
    if options.keep_io and not changed:
        return unchanged(method.told(kept) or "no float32 weights")
    path, face = context.output / ir.FILE, artifact.signature
    if not options.keep_io:
        infer = openvino.open_session(artifact, Settings()).infer
        kept |= method.unfit_arrays({**sample, **infer(sample)} for sample in context.samples())
        face = _halved(face, kept)
        model = half_ir.halve_ends(model, face)
    ir.save(model, path)
    return Outcome(path, method.told(kept), _details(kept), face)


def _convert_onnx(artifact: Artifact, options: Options, context: Context) -> Outcome:
    from optkit.formats import onnx

    model, samples = onnx.read_graph(artifact), context.samples()
    half_onnx.gather_weights(model)
    if options.keep_io and not method.float32_weights(model):
        return unchanged("no float32 weights")
    method.name_nodes(model)
    _know(options.keep_fp32, (str(node.name) for node in model.graph.all_nodes()))
    kept, trouble = method.unfit_weights(model), None
    try:
        kept |= method.unfit_values(
            model, lambda watching: _open(watching, context.scratch / onnx.FILE), samples
        )
    except _refusals() as error:
        trouble = f"its values were not looked at: {root_cause(error)}"
    face = artifact.signature if options.keep_io else _halved(artifact.signature, kept)
    half_ends = [spec.name for spec in (*face.inputs, *face.outputs) if spec.dtype == "float16"]
    half_onnx.lower(model, kept, options.keep_fp32, half_ends)
    path = context.output / onnx.FILE
    try:
        _open(onnx.tidy_graph(model), path)
    except _refusals() as error:
        return unchanged(f"ONNX Runtime refuses it in half precision: {root_cause(error)}")
    reason = "; ".join(filter(None, (method.told(kept), trouble))) or None
    return Outcome(path, reason, {**_details(kept), "samples": samples.source}, face)


def _open(model: onnx_ir.Model, path: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Write a model, and load it: a function that runs it."""
    import onnxruntime

    from optkit.formats import onnx

    onnx.write_graph(model, path)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    ports = [port.name for port in session.get_outputs()]
    return lambda arrays: dict(zip(ports, session.run(None, dict(arrays)), strict=True))


def _refusals() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a model that it cannot run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    return ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.NotImplemented, ort.RuntimeException


def _know(names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise bad_input(
            f"convert_fp16: no node is named '{unknown[0]}'", "mend keep_fp32 in the recipe"
        )


def _details(kept: Mapping[str, str]) -> dict[str, Any]:
    return {"kept_fp32": [{"value": name, "why": why} for name, why in kept.items()]}


def _halved(face: Signature, kept: Collection[str]) -> Signature:
    def half(spec: TensorSpec) -> TensorSpec:
        single = spec.dtype == "float32" and spec.name not in kept
        return replace(spec, dtype="float16") if single else spec

    return Signature(tuple(map(half, face.inputs)), tuple(map(half, face.outputs)))
