"""quantize_weights_int4: weights in 4 bits, activations as they are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import bad_input
from optkit.quantization.ignored import IgnoredScope

_NEED_DATA = ("scale_estimation", "gptq", "lora_correction")
_BY_WEIGHTS = "weight_quantization_error"


class Options(BaseModel):
    """Options of `quantize_weights_int4`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    symmetric: bool = Field(True, description="a scale alone for each group, no zero point")
    ratio: float = Field(
        1.0, ge=0, le=1, description="share of the weights in 4 bits; the rest has 8"
    )
    group_size: int | None = Field(
        None, description="weights that share a scale; -1: a whole channel. Default: 64, or "
        "what divides the channels",
    )  # fmt: skip
    backup_mode: Literal["int8_asym", "int8_sym", "none"] = Field(
        "int8_asym", description="of weights that are not in 4 bits; none: they stay as they are"
    )
    all_layers: bool = Field(False, description="4 bits for embeddings and the last layer too")
    ignored_scope: IgnoredScope = Field(
        IgnoredScope(), description="operations that keep their weights"
    )
    sensitivity_metric: (
        Literal[
            "weight_quantization_error", "hessian_input_activation", "mean_activation_variance",
            "max_activation_variance", "mean_activation_magnitude",
        ]
        | None
    ) = Field(
        None, description="what tells which weights stay in 8 bits, with a ratio below 1; all but "
        "the first look at the data",
    )  # fmt: skip
    awq: bool = Field(
        False, description="scale channels by the activations, or by the weights without data"
    )
    scale_estimation: bool = Field(False, description="scales of the least error on the data")
    gptq: bool = Field(False, description="round weights one after the other, on the data")
    lora_correction: bool = Field(
        False, description="a low-rank correction beside each layer, from the data"
    )
    subset_size: int = Field(128, ge=1, description="samples that the data-aware options see")


def _looks_at_data(options: Options) -> bool:
    return options.awq or bool(_need_data(options))


@transform(
    Options, takes=("ir",), needs=("nncf", "openvino"), precision="w4a16",
    after=("prune", "recover", "fuse_batchnorm", "simplify"), uses_data=_looks_at_data,
)  # fmt: skip
def quantize_weights_int4(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Store weights of matrix products in 4 bits, others in 8; samples are for some options.

    Given:
        MatMul(x, W) in float32
    Result:
        MatMul(x, Convert(W as i4) · scale of each group); convolutions, embeddings and the last
        layer in 8 bits

    Raises:
        OptkitError: options that do not go together, or not with the model, or that need data
            where none was given (bad input).
    """
    from optkit.formats import ir
    from optkit.graphs.ir_graph import weighted
    from optkit.quantization.weights import compress_weights

    samples = context.samples() if _looks_at_data(options) else None
    given = samples if samples is not None and samples.origin == "given" else None
    _check(options, with_data=given is not None)
    found = ir.summary(artifact).precision
    if not {"fp32", "fp16"} & found.keys():
        return unchanged("no floating-point weights")
    small = compress_weights(
        ir.load(artifact),
        "INT4_SYM" if options.symmetric else "INT4_ASYM",
        samples=given,  # type: ignore[arg-type] # as long as it is and iterated, no more
        progress=context.progress,
        ratio=options.ratio,
        group_size=options.group_size,
        backup_mode=options.backup_mode,
        all_layers=options.all_layers or None,
        ignored_scope=options.ignored_scope.to_nncf(),
        sensitivity_metric=options.sensitivity_metric,
        awq=options.awq or None,
        **{name: getattr(options, name) or None for name in _NEED_DATA},
        subset_size=options.subset_size if given is not None else None,
    )
    path = context.output / "model.xml"
    ir.save(small, path)
    held = sum(count for (_, word), count in weighted(small).items() if word == "w4a16")
    reason = None if held else "no matrix product takes 4 bits; its weights have 8"
    details = {"in_4_bits": held, "data": given is not None}
    return Outcome(path, reason, details)


def _need_data(options: Options) -> list[str]:
    wanted = [name for name in _NEED_DATA if getattr(options, name)]
    if options.sensitivity_metric not in {None, _BY_WEIGHTS}:
        wanted.append(f"sensitivity_metric: {options.sensitivity_metric}")
    return wanted


def _check(options: Options, *, with_data: bool) -> None:
    """Refuse what does not go together, each in one line with its fix."""
    wanted = _need_data(options)
    if wanted and not with_data:
        raise bad_input(
            f"{wanted[0]} looks at activations, and no data was given",
            "give data: --data PATH, or data: calibration: in the recipe; awq goes without",
        )
    if options.gptq and options.lora_correction:
        raise bad_input(
            "gptq and lora_correction exclude each other", "leave one out; gptq adds no weights"
        )
    if options.sensitivity_metric and options.ratio == 1:
        raise bad_input(
            f"sensitivity_metric {options.sensitivity_metric} chooses among weights, and ratio 1 "
            "leaves no choice",
            "set ratio below 1, such as 0.8, or leave sensitivity_metric out",
        )
    if options.all_layers and options.ratio == 1 and options.backup_mode != "int8_asym":
        raise bad_input(
            f"backup_mode {options.backup_mode} is of weights that are not in 4 bits, and "
            "all_layers with ratio 1 leaves none",
            "set ratio below 1, or leave one of them out",
        )
    if options.group_size is not None and (options.group_size == 0 or options.group_size < -1):
        raise bad_input(
            f"a group of {options.group_size} weights", "give group_size 32, 64 or 128, or -1"
        )
