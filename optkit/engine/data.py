"""The samples of a run: given, split, or synthesised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from optkit.core.code import own_code
from optkit.core.errors import bad_input
from optkit.core.events import Event, Listener
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.core.store import Store
from optkit.engine.source import Source
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import Dataset

# Enough to see every channel move, few enough to be quick on a large network.
_SYNTHESISED_CALIBRATION = 32
_SYNTHESISED_VALIDATION = 8


@dataclass(frozen=True)
class Data:
    """What a run calibrates and validates on.

    Attributes:
        calibration: samples for passes.
        validation: samples for parity and the metric; never those that were calibrated on.
        metric: name of the task metric; None without labels.
        metric_output: the output that the metric looks at; None for the first.
        warnings: what should be known of the samples, a line each.
    """

    calibration: Samples
    validation: Samples
    metric: str | None = None
    metric_output: str | None = None
    warnings: tuple[str, ...] = ()


def read_data(loaded: LoadedRecipe, source: Source, *, trusted: bool) -> Data:
    """Read what the recipe names; hold back a fifth of a single set; synthesise what is missing.

    Raises:
        OptkitError: bad input: data that is not there or does not fit, a metric without labels.
    """
    from optkit.data.holdout import split_holdout
    from optkit.data.synthesise import synthesise
    from optkit.validate.metrics import find_metric

    inputs = source.artifact.signature.inputs
    wanted = loaded.recipe.data
    judged = wanted.validation or wanted.calibration
    metric = _metric(judged)
    if judged and metric:
        find_metric(metric)  # a misspelt one is told before anything long

    def read(dataset: Dataset) -> Samples:
        return _read(loaded, dataset, inputs, trusted=trusted)

    def made(count: int, offset: int) -> Samples:
        return synthesise(inputs, count, loaded.recipe.seed + offset, source.index_bounds)

    if wanted.calibration and not wanted.validation:
        calibration, validation = split_holdout(read(wanted.calibration))
    else:
        calibration = (
            read(wanted.calibration) if wanted.calibration else made(_SYNTHESISED_CALIBRATION, 0)
        )
        validation = (
            read(wanted.validation) if wanted.validation else made(_SYNTHESISED_VALIDATION, 1)
        )
    if metric and validation.labels is None:
        raise bad_input(
            f"metric {metric} needs labels, {validation.source} was read without any",
            "name their array: --labels KEY, or labels: KEY beside the path in the recipe",
        )
    return Data(calibration, validation, metric, judged.output if judged else None)


def looked_over(data: Data, source: Source, store: Store, listen: Listener) -> Data:
    """The data with what should be known of it, which is told; looked at once and remembered.

    Raises:
        OptkitError: an index beyond its table (bad input).
    """

    def judge() -> list[str]:
        from optkit.data.hygiene import warnings

        return warnings(data.calibration, data.validation, source.index_bounds)

    question = {
        "question": "data hygiene",
        "calibration": data.calibration.digest,
        "validation": data.validation.digest,
        "bounds": dict(source.index_bounds),
        "code": own_code("optkit.data.hygiene"),
    }
    found = store.fact(question, judge)
    for text in found:
        listen(Event("note", "data", text))
    return replace(data, warnings=tuple(found))


def _metric(dataset: Dataset | None) -> str | None:
    if dataset is None or (dataset.metric is None and dataset.labels is None):
        return None
    return dataset.metric or "accuracy"


def _read(
    loaded: LoadedRecipe, dataset: Dataset, inputs: tuple[TensorSpec, ...], *, trusted: bool
) -> Samples:
    from optkit.data.images import ImageOptions
    from optkit.data.read import read_samples

    images = ImageOptions(dataset.resize, dataset.mean, dataset.std, dataset.layout, dataset.scale)
    return read_samples(
        dataset.path,
        inputs,
        labels=dataset.labels,
        images=images,
        trusted=trusted,
        root=loaded.path.parent,
    )
