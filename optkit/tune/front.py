"""The Pareto front: what nothing else beats on every axis."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, log

ALIKE = 1.02
"""Times within 2 % count as equal: two measurements of the same model differ by as much."""

Axes = tuple[float, ...]
"""What a candidate costs, on each axis; the lower the better."""


def axes(
    latency_ms: float,
    throughput_per_s: float,
    size_bytes: int,
    fidelity: Mapping[str, float | None],
) -> Axes:
    """Where a candidate stands: latency, throughput, size, and loss against the source.

    The loss is that of the task metric where there is one, else how far the cosine similarity
    falls short of 1, in steps of 0.0001.
    """
    drop, cosine = fidelity.get("metric_drop"), fidelity.get("cosine")
    loss = drop if drop is not None else inf if cosine is None else round(1 - cosine, 4)
    return _step(latency_ms), -_step(throughput_per_s), float(size_bytes), loss


def front(found: Mapping[str, Axes]) -> set[str]:
    """Those that no other equals on every axis and beats on one."""
    return {
        name
        for name, own in found.items()
        if not any(_dominates(other, own) for other in found.values())
    }


def _dominates(a: Axes, b: Axes) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def _step(value: float) -> float:
    """On a scale of steps of 2 %."""
    return round(log(value) / log(ALIKE)) if value > 0 else -inf
