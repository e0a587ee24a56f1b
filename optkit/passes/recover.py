"""recover: what pruning cost in accuracy won back, without labels."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged
from optkit.core.errors import OptkitError, bad_input

# Below, the outputs are the source's but for rounding.
_SAME = 1e-9


class Options(BaseModel):
    """Options of `recover`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    epochs: int = Field(60, ge=0, description="passes over the samples, at most; 0 re-estimates "
                        "BatchNorm alone")  # fmt: skip
    steps: int | None = Field(None, ge=0, description="steps of training, at most")
    seconds: float | None = Field(
        None, gt=0, description="be done within them; the steps that fitted are recorded, and "
        "replay it as `steps`"
    )  # fmt: skip
    learning_rate: float = Field(2e-3, gt=0, description="in the second half it falls as a cosine")
    batch_size: int = Field(64, ge=1, description="samples per step")
    patience: int = Field(
        20, ge=1, description="epochs without progress on held-out samples before it stops"
    )
    features: float = Field(
        0.1, ge=0, description="weight of intermediate features beside the outputs"
    )
    labels: float = Field(
        1.0, ge=0, description="weight of the labels, where the calibration data has any"
    )
    subset_size: int = Field(2048, ge=2, description="calibration samples to use at most")


@transform(
    Options, takes=("torchscript", "exported", "onnx"),
    needs=("torch", "onnx", "onnxscript", "onnx-ir"), after=("prune",), uses_data=True,
    measures=lambda options: options.seconds is not None,
)  # fmt: skip
def recover(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Teach a pruned network the source's answers on the calibration inputs.

    BatchNorm statistics are measured anew; then the source is distilled into the network, by its
    outputs and by features on the way. Labels are used where there are any. Killed, it goes on
    from where it was.

    Given:
        a network of the source's outputs, pruned
    Result:
        the same graph with weights for which Σ (outputs − source's outputs)² is small

    Raises:
        OptkitError: there is one sample only, or the input is prepared in the graph (bad input).
    """
    from optkit.formats import exported, module, onnx, torchscript
    from optkit.pruning.batching import batched
    from optkit.pruning.distillation import Schedule, distil
    from optkit.pruning.feeding import feed
    from optkit.pruning.network import emit, rebuild
    from optkit.pruning.weights import put, values

    formats: dict[str, Any] = {
        "torchscript": torchscript, "exported": exported, "onnx": onnx, "module": module,
    }  # fmt: skip
    format_, source = formats[artifact.format], context.source
    if artifact.digest == source.digest:
        return unchanged("the network is the source itself: nothing was taken from it")
    if source.format not in formats:
        raise OptkitError(f"a source in the format {source.format} cannot be distilled",
                          "start from the torch network or ONNX")  # fmt: skip
    if artifact.preprocessing != source.preprocessing:
        raise bad_input("recover: the model prepares its inputs itself, the source does not",
                        "move recover above fold_preprocess")  # fmt: skip
    began, example = time.monotonic(), context.example(0)
    network = rebuild(format_.load(artifact), artifact.signature, example)
    original = rebuild(formats[source.format].load(source), source.signature, example)
    student, samples = feed(network, context.samples(), options.subset_size)
    if len(samples) < 2:
        raise bad_input("recover needs at least two samples", "give more calibration data")
    teacher = original
    if samples.together:
        freed = batched(original, samples.samples[0], samples.samples[-1])
        samples, student, teacher = (
            (samples, student, freed) if freed else (samples.apart(), network, original)
        )
    # What is written takes about as long as what was read.
    left = options.seconds and max(1e-3, options.seconds - 2 * (time.monotonic() - began))
    done = distil(
        student.graph, teacher.graph, samples,
        Schedule(options.epochs, options.steps, left, options.batch_size, options.learning_rate,
                 options.patience, options.features, options.labels, context.seed),
        context.checkpoint, context.progress,
    )  # fmt: skip
    if done["loss"]["before"] < _SAME:
        return unchanged("the network gives the source's outputs already", **done)
    if done["loss"]["after"] >= done["loss"]["before"]:
        return unchanged("no weights found that come nearer to the source", **done)
    put(network.graph, values(student.graph))
    path = context.output / format_.FILE
    format_.save(emit(network, artifact.format, example), path)
    return Outcome(path, details={**done, "samples": len(samples)})
