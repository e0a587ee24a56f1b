"""Collects the statistics of every tensor that is quantized, in one pass over the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.ranges import (
    ESTIMATORS,
    Range,
    Statistics,
    fitted,
    watch_ends,
    watch_mean,
    watch_values,
)
from optkit.quantization.tools import Figure, Tools

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
    means: bool = True,
    values: bool = True,
    progress: Callable[[int, int | None], None] = lambda *_: None,
) -> dict[str, Statistics]:
    """Statistics by tensor key, of points and of what layers read.

    Extremes and means are taken within the graph: handing whole tensors out costs more than
    inferring them.

    Args:
        tools: how the format's models are handled.
        model: the network in floating point.
        sites: what is quantized.
        samples: the calibration samples.
        count: how many there are.
        means: collect the means that `means_of` gives.
        values: collect what estimators other than `minmax` and `mean_minmax` need.
        progress: called with (done, total).
    """
    channels = {point.key: point.per_channel for point in sites.points}
    axes = {layer.reads: layer.channel for layer in sites.layers} if means else {}
    seen = {key: Statistics() for key in [*channels, *axes]}
    figures = list(_figures(channels, axes, values=values))

    def visit(index: int, found: list[np.ndarray]) -> None:
        given = dict(zip(figures, found, strict=True))
        for key, per_channel in channels.items():
            along = 1 if per_channel else None
            watch_ends(
                seen[key], given[Figure(key, "ReduceMin", along)],
                given[Figure(key, "ReduceMax", along)], channels=per_channel,
            )  # fmt: skip
            if values:
                watch_values(seen[key], given[Figure(key)], count)
        for key, axis in axes.items():
            if axis is not None:
                watch_mean(seen[key], given[Figure(key, "ReduceMean", axis)], axis)
        for item in seen.values():
            item.count += 1
        progress(index + 1, count)

    # Where values end, half precision tells well enough; its own steps are no finer than those of
    # 8 bits, so what is told by the values' rounding takes whole ones.
    tools.stream(tools.observed(model, figures), samples, visit, rough=not values)
    return seen


def _figures(
    channels: Mapping[str, bool], axes: Mapping[str, int | None], *, values: bool
) -> Iterator[Figure]:
    for key, per_channel in channels.items():
        along = 1 if per_channel else None
        yield Figure(key, "ReduceMin", along)
        yield Figure(key, "ReduceMax", along)
        if values:
            yield Figure(key)
    for key, axis in axes.items():
        if axis is not None:
            yield Figure(key, "ReduceMean", axis)


def ranges_of(
    points: Iterable[Point],
    seen: Mapping[str, Statistics],
    estimator: str,
    *,
    margin: float = 1.0,
    symmetric: bool,
) -> dict[str, Range]:
    """The range of each point, `margin` times as wide; points of a group share the widest.

    No range goes beyond where the values end by the operation that gives them.
    """
    import numpy as np

    ends: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    points = list(points)
    for point in points:
        low, high = ESTIMATORS[estimator](seen[point.key])
        within = np.maximum(low * margin, point.ends[0]), np.minimum(high * margin, point.ends[1])
        ends.setdefault(point.group, []).append(within)
    ranges = {}
    for point in points:
        shared = ends[point.group]
        low = shared[0][0] if len(shared) == 1 else np.min([item[0].min() for item in shared])
        high = shared[0][1] if len(shared) == 1 else np.max([item[1].max() for item in shared])
        ranges[point.key] = fitted(low, high, symmetric=symmetric)
    return ranges


def means_of(seen: Mapping[str, Statistics]) -> dict[str, np.ndarray]:
    """The mean along each channel, of the tensors where it was collected."""
    return {key: item.mean for key, item in seen.items() if item.mean is not None}
