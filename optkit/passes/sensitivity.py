"""sensitivity: what each layer can spare, measured and not acted upon."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged


class Options(BaseModel):
    """Options of `sensitivity`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    criterion: Literal["magnitude", "taylor", "batchnorm_scale"] = Field(
        "magnitude", description="what a channel is judged by"
    )
    round_to: int = Field(8, ge=1, description="kept channels are a multiple of it")
    subset_size: int = Field(
        1024, ge=1, description="calibration samples to use at most; half of them, 256 at most, "
        "are measured on, the others are left for `prune` to judge by"
    )  # fmt: skip


@transform(
    Options, takes=("torchscript", "exported", "onnx"),
    needs=("torch", "onnx", "onnxscript", "onnx-ir", "openvino"), uses_data=True,
)  # fmt: skip
def sensitivity(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Measure what each layer can spare: accuracy lost against the share of its channels taken.

    With labels the drop is in accuracy, without it is the share of answers that change. `prune`
    with `max_drop` takes its ratios from the same figures, which are measured once.

    Given:
        any network
    Result:
        the same network; a row per layer and share in the run's details, a plot in the report
    """
    from optkit.formats import exported, onnx, torchscript
    from optkit.pruning import sensitivity as method
    from optkit.pruning.dependencies import analyse
    from optkit.pruning.feeding import feed
    from optkit.pruning.network import rebuild

    format_: Any = {"torchscript": torchscript, "exported": exported, "onnx": onnx}[artifact.format]
    network = rebuild(format_.load(artifact), artifact.signature, context.example(0))
    freed, samples = feed(network, context.samples(), options.subset_size)
    structure = analyse(freed.graph, samples.samples[0])
    if not structure.groups:
        return unchanged("no channel can go: " + "; ".join(structure.left))
    measured, _ = method.parts(samples)
    table = method.measure(
        structure, options.criterion, measured, round_to=options.round_to,
        remember=context.remember, progress=context.progress,
    )  # fmt: skip
    judged = "accuracy" if samples.labels is not None else "answers that stay the same"
    return unchanged(
        f"it only measures: {len(table)} layers on {len(measured)} samples",
        measure=judged, samples=len(measured), sensitivity=table,
    )  # fmt: skip
