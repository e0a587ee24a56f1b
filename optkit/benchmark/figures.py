"""What the turns of one model amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optkit.benchmark.scenarios import Turn
from optkit.core import stats


def latencies(rounds: Sequence[Sequence[float]], seed: int) -> dict[str, Any]:
    """`latency_ms` of a row: percentiles over all samples, the preempted ones too, and the mean."""
    flat = [sample for samples in rounds for sample in samples]
    found: dict[str, Any] = {f"p{p}": stats.percentile(flat, p) for p in (50, 90, 95, 99)}
    return {**found, "mean": sum(flat) / len(flat), "ci95": list(stats.mean_ci95(rounds, seed))}


def closed_loop(turns: Sequence[Turn], inputs: int, seed: int) -> dict[str, Any]:
    """The figures of a load that waits for the model.

    Args:
        turns: of one model.
        inputs: how many inputs one sample stands for.
        seed: of the interval's resampling.
    """
    rounds = in_ms(turns)
    latency = latencies(rounds, seed)
    return {
        "samples": sum(map(len, rounds)),
        "preempted": preempted(turns),
        "latency_ms": latency,
        "throughput_per_s": 1000 * inputs / latency["mean"],
        "raw_ms": rounds,
        "waited": [turn.waited for turn in turns],
    }


def in_ms(turns: Sequence[Turn]) -> list[list[float]]:
    """Samples in milliseconds, by round."""
    return [[sample / 1e6 for sample in turn.times] for turn in turns]


def preempted(turns: Sequence[Turn]) -> float:
    """The share of samples during which the process was preempted."""
    return sum(turn.preempted for turn in turns) / sum(turn.watched for turn in turns)
