"""Task metrics: how good outputs are against labels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Metric:
    """A metric that is a mean over predictions.

    Attributes:
        name: the word in a recipe.
        higher_is_better: which way is good.
        score: (output, labels) of one sample to (sum of scores, number of predictions); the
            metric is Σ sums / Σ numbers.
    """

    name: str
    higher_is_better: bool
    score: Callable[[np.ndarray, np.ndarray], tuple[float, int]]


def find_metric(name: str) -> Metric:
    """`accuracy`, `top<k>` such as `top5`, or `mse`.

    Raises:
        OptkitError: there is no such metric (bad input, with the nearest name).
    """
    if name == "accuracy":
        return Metric(name, higher_is_better=True, score=partial(_top, 1))
    if name == "mse":
        return Metric(name, higher_is_better=False, score=_mse)
    if match := re.fullmatch(r"top([1-9]\d*)", name):
        return Metric(name, higher_is_better=True, score=partial(_top, int(match[1])))
    known = ["accuracy", "top5", "mse"]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "one of accuracy, top<k> (top5), mse"
    raise bad_input(f"unknown metric '{name}'", hint)


def drop(metric: Metric, reference: float, value: float) -> float:
    """How much worse `value` is than `reference`: positive means worse, for every metric."""
    return reference - value if metric.higher_is_better else value - reference


def _top(k: int, output: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """How many labels are among the k highest scores; of equal scores the first class wins.

    Classes are on the last axis where the labels have the shape of the other axes before it, else
    on axis 1, where the labels have the output's shape without it.
    """
    import numpy as np

    scores = _classes_last(output, labels)
    classes = scores.shape[-1]
    if k > 1 and k >= classes:
        raise bad_input(
            f"top{k} of {classes} classes is always right", "use accuracy, or a smaller k"
        )
    if not ((labels == np.floor(labels)) & (labels >= 0) & (labels < classes)).all():
        raise bad_input(
            f"labels run from {labels.min()} to {labels.max()}, the output has {classes} classes",
            f"labels are class numbers, 0 to {classes - 1}",
        )
    true = labels.astype(np.int64)[..., None]
    own = np.take_along_axis(scores, true, axis=-1)
    before = (scores > own) | ((scores == own) & (np.arange(classes) < true))
    right = (before.sum(axis=-1) < k) & ~np.isnan(scores).any(axis=-1)
    return float(right.sum()), right.size


def _classes_last(output: np.ndarray, labels: np.ndarray) -> np.ndarray:
    import numpy as np

    if output.ndim and labels.shape == output.shape[:-1]:
        return output
    if output.ndim > 1 and labels.shape == output.shape[:1] + output.shape[2:]:
        return np.moveaxis(output, 1, -1)
    raise bad_input(
        f"labels of shape {labels.shape} do not fit an output of shape {output.shape}",
        "labels have the output's shape without its class axis, the last or axis 1; "
        "another output: metric_output",
    )


def _mse(output: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Squared error; axes of size 1 may be missing on either side."""
    import numpy as np

    squeezed = [tuple(size for size in x.shape if size != 1) for x in (output, labels)]
    if squeezed[0] != squeezed[1]:
        raise bad_input(
            f"labels of shape {labels.shape} do not fit an output of shape {output.shape}",
            "for mse they have the output's own shape",
        )
    error = output.astype(np.float64).reshape(-1) - labels.astype(np.float64).reshape(-1)
    return float(error @ error), error.size
