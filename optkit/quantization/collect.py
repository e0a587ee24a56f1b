"""Collects the statistics of every tensor that is quantized, in one pass over the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.ranges import ESTIMATORS, Range, Statistics, fitted, watch
from optkit.quantization.tools import Tools

if TYPE_CHECKING:
    import numpy as np

    from optkit.quantization.sites import Point, Sites

    Arrays = Mapping[str, np.ndarray]


def collect(
    tools: Tools,
    model: Any,
    sites: Sites,
    samples: Iterable[Arrays],
    count: int,
    *,
    extremes_alone: bool = False,
    progress: Callable[[int, int | None], None] = lambda *_: None,
) -> dict[str, Statistics]:
    """Statistics by tensor key, of points and of what layers read.

    Args:
        tools: how the format's models are handled.
        model: the network in floating point.
        sites: what is quantized.
        samples: the calibration samples.
        count: how many there are.
        extremes_alone: collect what `minmax` and `mean_minmax` need, and nothing else.
        progress: called with (done, total).
    """
    channels = {point.key: point.per_channel for point in sites.points}
    means = {} if extremes_alone else {layer.reads: layer.channel for layer in sites.layers}
    keys = list(dict.fromkeys([*channels, *means]))
    seen = {key: Statistics() for key in keys}

    def visit(index: int, values: list[np.ndarray]) -> None:
        for key, value in zip(keys, values, strict=True):
            watch(
                seen[key], value, samples=count, channels=channels.get(key, False),
                mean=means.get(key), draw=not extremes_alone and key in channels,
            )  # fmt: skip
        progress(index + 1, count)

    tools.stream(tools.observed(model, keys), samples, visit)
    return seen


def ranges_of(
    points: Iterable[Point],
    seen: Mapping[str, Statistics],
    estimator: str,
    *,
    margin: float = 1.0,
    symmetric: bool,
) -> dict[str, Range]:
    """The range of each point, `margin` times as wide; points of a group share the widest."""
    import numpy as np

    ends: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    points = list(points)
    for point in points:
        ends.setdefault(point.group, []).append(ESTIMATORS[estimator](seen[point.key]))
    ranges = {}
    for point in points:
        shared = ends[point.group]
        low = shared[0][0] if len(shared) == 1 else np.min([item[0].min() for item in shared])
        high = shared[0][1] if len(shared) == 1 else np.max([item[1].max() for item in shared])
        ranges[point.key] = fitted(low * margin, high * margin, symmetric=symmetric)
    return ranges


def means_of(seen: Mapping[str, Statistics]) -> dict[str, np.ndarray]:
    """The mean along each channel, of the tensors where it was collected."""
    return {key: item.mean for key, item in seen.items() if item.mean is not None}
