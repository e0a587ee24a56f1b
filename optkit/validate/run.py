"""One pass over the samples: parity and task metric together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optkit.core.errors import bad_input
from optkit.core.samples import Samples
from optkit.validate.metrics import Metric, drop, find_metric
from optkit.validate.parity import add, finish, partners, to_json

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.parity import Arrays, Infer
    from optkit.validate.tally import Tally


def validate(
    reference: Infer,
    candidate: Infer,
    samples: Samples,
    metric_name: str | None,
    metric_output: str | None,
    progress: Callable[[int, int | None], None],
) -> dict[str, Any]:
    """The manifest's `validation` row, without `artifact`.

    Args:
        reference: the source model, arrays by input name to arrays by output name.
        candidate: the same, of the result.
        samples: at least one; each is inferred once per model.
        metric_name: `accuracy`, `top<k>`, `mse`, or None.
        metric_output: the reference's name of the output that the labels are for; None: the first.
        progress: called with (done, total).

    Returns:
        {data, samples, outputs, metric}; a figure that does not exist is None.

    Raises:
        OptkitError: no samples, a metric without labels, an output that is not there, or labels
            that do not fit it (bad input).
    """
    if samples.count == 0:
        raise bad_input(f"{samples.source} holds no samples", "give at least one")
    metric = find_metric(metric_name) if metric_name else None
    if metric and samples.labels is None:
        raise bad_input(
            f"metric {metric.name} needs labels, {samples.source} was read without any",
            "name them: --labels KEY",
        )
    state: dict[str, Tally] = {}
    scores: list[tuple[tuple[float, int], tuple[float, int] | None]] = []
    for index in range(samples.count):
        # read twice: a network may write into its input
        expected, got = reference(samples.read(index)), candidate(samples.read(index))
        state = add(state, expected, got, index)
        if metric and samples.labels:
            scores.append(_scored(metric, expected, got, samples.labels(index), metric_output))
        progress(index + 1, samples.count)
    return {
        "data": samples.origin,
        "samples": samples.count,
        "outputs": [to_json(finish(name, total)) for name, total in state.items()],
        "metric": _row(metric, scores) if metric else None,
    }


def _scored(
    metric: Metric, expected: Arrays, got: Arrays, labels: np.ndarray, output: str | None
) -> tuple[tuple[float, int], tuple[float, int] | None]:
    """Score of the reference and of the candidate; None where its output is not comparable."""
    name = output or next(iter(expected))
    if name not in expected:
        raise bad_input(
            f"the model has no output '{name}' for metric {metric.name}",
            f"one of {', '.join(expected)}",
        )
    partner = partners(expected, got)[name]
    comparable = partner is not None and got[partner].shape == expected[name].shape
    value = metric.score(got[partner], labels) if partner is not None and comparable else None
    return metric.score(expected[name], labels), value


def _row(
    metric: Metric, scores: list[tuple[tuple[float, int], tuple[float, int] | None]]
) -> dict[str, Any]:
    given = [value for _, value in scores if value is not None]
    reference = _mean([score for score, _ in scores])
    value = _mean(given) if len(given) == len(scores) else None
    known = reference is not None and value is not None
    worse = drop(metric, reference, value) if known else None  # type: ignore[arg-type]
    return {"name": metric.name, "reference": reference, "value": value, "drop": worse}


def _mean(scores: list[tuple[float, int]]) -> float | None:
    total, count = sum(score for score, _ in scores), sum(count for _, count in scores)
    return total / count if count and math.isfinite(total) else None
