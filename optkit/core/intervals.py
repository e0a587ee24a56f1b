"""Intervals of figures that one measurement gives, and of what two measurements make of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from optkit.core.stats import SITTINGS_TO_TELL, Rounds, margin, picks_of, placed

if TYPE_CHECKING:
    import numpy as np

Interval = tuple[float, float, float]
"""A value and the two ends of its 95 % interval."""

PERCENTILES = (50, 90, 95, 99)

_DRAWS = 200


def latency_intervals(rounds: Rounds, sittings: Sequence[int]) -> dict[str, list[float]]:
    """95 % intervals of the percentiles and of the mean, by `p50` and so on, and `mean`.

    Student's t of what the sittings give; of fewer than five, a bootstrap of runs of rounds. What
    moves a machine from one minute to the next is in neither.

    Args:
        rounds: samples by round.
        sittings: how many of the rounds each sitting had.
    """
    parts = _split(rounds, sittings)
    if len(parts) >= SITTINGS_TO_TELL:
        ends = _by_sittings([_told(part) for part in parts])
    else:
        ends = _by_rounds(rounds)
    return {word: list(pair) for word, pair in zip(_WORDS, ends, strict=True)}


def percentile_ratios(
    a: Rounds, b: Rounds, sittings: Sequence[int] = (), scale: float = 1.0
) -> dict[str, dict[str, object]]:
    """How many times the percentiles of `a` are those of `b`, measured in the same rounds.

    Args:
        a: samples by round.
        b: samples of the same rounds.
        sittings: how many of the rounds each sitting had.
        scale: what every ratio is multiplied by.

    Returns:
        `value` and `ci95` by `p90`, `p95`, `p99`; empty for fewer than five sittings, as tails
        need many samples to be told apart.
    """
    import numpy as np

    count = min(len(a), len(b))
    pairs = zip(_split(a[:count], sittings), _split(b[:count], sittings), strict=True)
    logs = np.array([np.log(_told(one)) - np.log(_told(other)) for one, other in pairs])
    if len(logs) < SITTINGS_TO_TELL:
        return {}
    found = {}
    for at, word in enumerate(_WORDS):
        if word in {"p90", "p95", "p99"}:
            found[word] = _ratio((float(np.mean(logs[:, at])), *_t(logs[:, at])), scale)
    return found


def calm_ratio(
    a: Rounds, b: Rounds, sittings: Sequence[int] = (), scale: float = 1.0
) -> dict[str, object]:
    """How many times the 10th percentile of `a` is that of `b`: how they do when left alone.

    On a machine that other processes keep busy, the least disturbed tenth of the samples tells two
    models apart where their medians do not. The interval is a bootstrap of runs of rounds, widened
    by how far a ratio hangs on where memory came to lie.

    Args:
        a: samples by round.
        b: samples of the same rounds.
        sittings: how many of the rounds each sitting had.
        scale: what the ratio is multiplied by.

    Returns:
        `value` and `ci95`.
    """
    import numpy as np

    count = min(len(a), len(b))
    sides = [[np.asarray(samples, float) for samples in rounds[:count]] for rounds in (a, b)]

    def log(picks: Iterable[int]) -> float:
        chosen = list(picks)
        low = [np.percentile(np.concatenate([side[at] for at in chosen]), 10) for side in sides]
        return float(np.log(low[0] / low[1]))

    value = log(range(count))
    draws = [log(picks) for picks in picks_of(count, 0)[:_DRAWS]]
    beside = placed(max(1, len(sittings)))
    below, above = (
        math.hypot(float(end) - value, beside) for end in np.percentile(draws, [2.5, 97.5])
    )
    return _ratio((value, value - below, value + above), scale)


def _ratio(logs: Interval, scale: float) -> dict[str, object]:
    value, low, high = (scale * math.exp(log) for log in logs)
    return {"value": value, "ci95": [low, high]}


def quotient(new: Interval, old: Interval) -> Interval:
    """How many times a figure is what it was, both positive and measured apart from each other.

    The distances of the intervals' ends, on a logarithmic scale, are added as those of independent
    errors.
    """
    (value, low, high), (was, below, above) = ([math.log(x) for x in one] for one in (new, old))
    middle = value - was
    down = math.hypot(value - low, above - was)
    up = math.hypot(high - value, was - below)
    return math.exp(middle), math.exp(middle - down), math.exp(middle + up)


def inverse(ratio: Interval) -> Interval:
    """The reciprocal."""
    value, low, high = ratio
    return 1 / value, 1 / high, 1 / low


_WORDS = (*(f"p{percent}" for percent in PERCENTILES), "mean")


def _told(rounds: Rounds) -> np.ndarray:
    import numpy as np

    flat = np.concatenate([np.asarray(samples, float) for samples in rounds])
    return np.array([*np.percentile(flat, PERCENTILES), flat.mean()])


def _split(rounds: Rounds, sittings: Sequence[int]) -> list[Rounds]:
    ends = [sum(sittings[:at]) for at in range(1, len(sittings))]
    starts = [0, *ends]
    parts = [rounds[start:end] for start, end in zip(starts, [*ends, len(rounds)], strict=True)]
    return [part for part in parts if len(part)]


def _by_sittings(told: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    import numpy as np

    logs = np.log(np.array(told))
    return [
        (math.exp(low), math.exp(high))
        for low, high in (_t(logs[:, at]) for at in range(logs.shape[1]))
    ]


def _t(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of a few values."""
    middle, half = float(values.mean()), margin(values)
    return middle - half, middle + half


def _by_rounds(rounds: Rounds) -> list[tuple[float, float]]:
    import numpy as np

    draws = np.array([
        _told([rounds[at] for at in picks]) for picks in picks_of(len(rounds), 0)[:_DRAWS]
    ])
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))
