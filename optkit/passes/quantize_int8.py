"""quantize_int8: weights and activations in 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged

if TYPE_CHECKING:
    from optkit.quantization.candidates import Wishes
    from optkit.quantization.tools import Tools


class IgnoredScope(BaseModel):
    """Operations that stay in floating point."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...] = Field((), description="names of operations")
    patterns: tuple[str, ...] = Field((), description="regular expressions of names")
    types: tuple[str, ...] = Field((), description="operation types, such as MatMul")


class Options(BaseModel):
    """Options of `quantize_int8`; what is `auto` is chosen by measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effort: Literal["fast", "balanced", "thorough"] = Field(
        "balanced", description="how many candidates are tried; fast tries none"
    )
    engine: Literal["auto", "optkit", "nncf"] = Field(
        "auto", description="whose candidates; auto: of both, optkit's alone at fast"
    )
    preset: Literal["auto", "performance", "mixed"] = Field(
        "auto", description="symmetric activations, or asymmetric where values are signed"
    )
    estimator: Literal["auto", "minmax", "mean_minmax", "percentile", "least_error"] = Field(
        "auto", description="how ranges of activations are taken from samples"
    )
    bias_correction: Literal["auto", "none", "fast", "full"] = Field(
        "auto", description="of what rounding shifts: by the weights' error, or measured"
    )
    overflow_fix: Literal["auto", "none", "first_layer", "all"] = Field(
        "auto", description="weights in 7 bits, for processors without VNNI"
    )
    max_drop: float | None = Field(
        None, ge=0, description="what accuracy may lose on the samples held back"
    )
    min_sqnr_db: float | None = Field(
        None, description="signal to quantization noise on the samples held back, in dB"
    )
    subset_size: int = Field(300, ge=1, description="calibration samples to use at most")
    model_type: Literal["auto", "cnn", "transformer"] = Field(
        "auto", description="what the network is; auto looks for attention"
    )
    fast_bias_correction: bool = Field(
        True, description="NNCF's quick bias correction, not its full one"
    )
    ignored_scope: IgnoredScope = Field(IgnoredScope(), description="what stays in floating point")


@transform(
    Options, takes=("ir", "onnx"), needs=("nncf", "openvino", "onnx", "onnxruntime"),
    precision="int8", after=("fuse_batchnorm", "simplify"), uses_data=True,
)  # fmt: skip
def quantize_int8(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Quantize weights and activations to 8 bits after training, the way that measures best.

    Candidates (engine, ranges, bias correction, ...) are judged by the signal to quantization noise
    on a quarter of the calibration samples, which is held back. Without samples, ranges come from
    the source's BatchNorm where there is any (DFQ, Nagel et al. 2019).

    Given:
        Conv(x, W) in float32
    Result:
        Conv(FakeQuantize(x), W as int8) in IR; QuantizeLinear → DequantizeLinear around both in
        ONNX (QDQ)

    Raises:
        OptkitError: `ignored_scope` names an operation that is not there.
    """
    from optkit.formats import ir, onnx
    from optkit.quantization import peer
    from optkit.quantization.attention import has_attention
    from optkit.quantization.quantize import Job, quantize
    from optkit.quantization.scope import scoped

    format_ = ir if artifact.format == "ir" else onnx
    found = format_.summary(artifact).precision
    if not found:
        return unchanged("no operation that carries weights")
    if found.keys() <= {"int8"}:
        return unchanged("every operation that carries weights is in int8 already")
    model = format_.load(artifact)
    if artifact.format == "onnx":  # up to 3, what is added would have to be inputs of the graph
        model.ir_version = max(model.ir_version, 4)
    transformer = options.model_type == "transformer" or (
        options.model_type == "auto" and has_attention(model)
    )
    tools = _tools(artifact.format)
    given = context.samples()
    samples = given.part(0, options.subset_size)
    scope = options.ignored_scope
    known = {name: kind for name, (kind, _) in tools.operations(model).items()}
    made = quantize(
        Job(
            tools=tools,
            model=model,
            samples=samples,
            wishes=_wishes(options, transformer=transformer),
            scratch=context.scratch,
            ignored=scoped(known, scope.names, scope.patterns, scope.types),
            peer=lambda candidate, part, ignored: peer.quantize(
                model, part, candidate, transformer=transformer, ignored=ignored,
                progress=context.progress,
            ),
            progress=context.progress,
        )  # fmt: skip
    )
    path = context.output / format_.FILE
    format_.save(made.model, path)
    details = {"subset_size": len(samples), "model_type": "transformer" if transformer else "cnn"}
    return Outcome(path, details=details | made.details())


def _wishes(options: Options, *, transformer: bool) -> Wishes:
    """What the options leave open; the first of each is what `fast` takes."""
    from optkit.quantization.candidates import Wishes

    def either(word: str, *choices: str) -> tuple[str, ...]:
        return choices if word == "auto" else (word,)

    fast, thorough = options.effort == "fast", options.effort == "thorough"
    engines = either(options.engine, *(("optkit",) if fast else ("optkit", "nncf")))
    corrections = either(options.bias_correction, "fast", "none", "full")
    if options.engine == "nncf" and not options.fast_bias_correction:
        corrections = ("full",)
    return Wishes(
        effort=options.effort,
        engines=engines,
        estimators=either(
            options.estimator, "minmax", "percentile", "least_error",
            *(["mean_minmax"] if thorough else []),
        ),
        symmetric={"auto": (True, False), "performance": (True,), "mixed": (False,)}[
            options.preset
        ],
        corrections=corrections,
        overflows=either(options.overflow_fix, "none", *(["first_layer"] if thorough else [])),
        smooth=(False, True) if transformer else (False,),
    )  # fmt: skip


def _tools(format_name: str) -> Tools:
    """The functions that handle the format's models."""
    from optkit.quantization.tools import Tools

    graph: Any
    runtime: Any
    if format_name == "ir":
        from optkit.quantization.ir import graph
        from optkit.runtimes.openvino import live as runtime
    else:
        from optkit.quantization.onnx import graph
        from optkit.runtimes.onnxruntime import live as runtime
    return Tools(
        graph.operations, graph.find_sites, graph.observed, graph.inserted, runtime.stream
    )
