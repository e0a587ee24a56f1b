"""quantize_int8: weights and activations in 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.quantization.ignored import IgnoredScope

if TYPE_CHECKING:
    from optkit.quantization.moments import Moments

_NOT_CHOICES = {"max_drop", "min_sqnr_db", "subset_size", "model_type", "ignored_scope"}


class Options(BaseModel):
    """Options of `quantize_int8`; what is `auto` is chosen by measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    effort: Literal["fast", "balanced", "thorough"] = Field(
        "balanced", description="how many candidates are tried on data; fast tries none"
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
    margin: float | None = Field(
        None, ge=1, description="what ranges are widened by; left out, it is chosen"
    )
    bias_correction: Literal["auto", "none", "fast", "full"] = Field(
        "auto", description="of what rounding shifts: by the weights' error, or measured"
    )
    overflow_fix: Literal["auto", "none", "pairs", "first_layer", "all"] = Field(
        "auto", description="weights whose sums fit 16 bits, for processors without VNNI"
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
    precision="int8", after=("prune", "recover", "fuse_batchnorm", "simplify"), uses_data=True,
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
    from optkit.calibration.batchnorm import derived_moments
    from optkit.calibration.tools import tools_for
    from optkit.formats import ir, onnx
    from optkit.quantization import peer
    from optkit.quantization.attention import has_attention
    from optkit.quantization.job import Job
    from optkit.quantization.prepared import LAYERS
    from optkit.quantization.quantize import quantize
    from optkit.quantization.revert import Bounds
    from optkit.quantization.scope import scoped
    from optkit.quantization.served import largest_batch
    from optkit.quantization.told import details, summary_of
    from optkit.quantization.wishes import wishes
    from optkit.validate.agreement import rated

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
    tools, scope = tools_for(artifact.format), options.ignored_scope
    known = {name: kind for name, (kind, _) in tools.operations(model).items()}
    given = context.samples()
    samples = given.part(0, options.subset_size)
    free = given.origin == "synthesised"
    trained: dict[str, Moments] = {}
    matched = 0
    if options.engine != "nncf":
        asked = None if free else LAYERS
        trained, matched = derived_moments(model, context.source, artifact.format, asked)
    job = Job(
        tools=tools,
        model=model,
        samples=samples,
        wishes=wishes(
            transformer=transformer,
            free=free,
            **options.model_dump(exclude=_NOT_CHOICES),
        ),
        bounds=Bounds(options.min_sqnr_db, options.max_drop),
        scratch=context.scratch,
        ignored=scoped(known, scope.names, scope.patterns, scope.types),
        peer=lambda candidate, part, further: peer.quantize(
            model, part, candidate, transformer=transformer, ignored=further,
            scope=scope.model_dump(), progress=context.progress,
        ),
        trained=trained,
        free=free,
        rate=rated(samples) if options.max_drop is not None else None,
        batch=largest_batch(artifact.signature),
        progress=context.progress,
        remember=lambda question, compute: context.remember(
            __name__, [options.model_dump(mode="json"), question], compute
        ),
    )  # fmt: skip
    made = quantize(job)
    path = context.output / format_.FILE
    format_.save(made.model, path)
    told = {"subset_size": len(samples), "model_type": "transformer" if transformer else "cnn"}
    if free:
        derived = f"BatchNorm of the source, {matched} layers; the rest from " if matched else ""
        told["ranges"] = f"{derived}{samples.source}"
    return Outcome(path, summary_of(job, made), told | details(job, made))
