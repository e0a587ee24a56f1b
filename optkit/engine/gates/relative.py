"""How a figure changed from what a baseline knows, and what may be said of that.

Milliseconds drift by a third from one minute to the next, and from machine to machine by more. So
times are never held against times of another run: the baseline's model is timed beside the new one
where it is at hand, or both runs tell how their model does against FP32, or the source, in turns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optkit.core.intervals import Interval, inverse, quotient
from optkit.engine.gates.figures import LATENCIES, RATIOS, TIMED, Figure, calm_of
from optkit.engine.gates.past import Past
from optkit.engine.gates.verdict import Verdict, within
from optkit.recipe.gates import Gate, allowed

_DUST = 1e-9
_ALIKE: Interval = (1.0, 1.0, 1.0)
_ANCHORS = ("speedup", "speedup_vs_source")


@dataclass(frozen=True)
class Judged:
    """What came of holding a change against a gate.

    Attributes:
        verdict: of the bound.
        change: what was held against it.
        better: the figure is better than the baseline's by more than it might have been worse.
        calm: what decided instead, where the machine was too noisy for the whole of the samples.
    """

    verdict: Verdict
    change: Change
    better: bool = False
    calm: Interval | None = None


@dataclass(frozen=True)
class Change:
    """How many times a figure is what it was.

    Attributes:
        ratio: with its 95 % interval; None where the two cannot be compared.
        how: how it was found, or why it cannot be.
        was: the baseline's figure.
        calm: the ratio as the least disturbed samples have it.
    """

    ratio: Interval | None
    how: str
    was: float | None = None
    calm: Interval | None = None


def faster(figure: Figure, past: Past, network: Mapping[str, Any]) -> Change:
    """How many times as fast as the baseline's model the new one is.

    One that was not measured again is as fast as it was.

    Args:
        figure: any timed figure of the new model.
        past: what is known of the baseline's.
        network: of the new model, as `Past.network`.
    """
    row = figure.row or {}
    if beside := row.get("speedup_vs_baseline"):
        ratio = beside["value"], *beside["ci95"]
        return Change(ratio, "timed side by side", calm=calm_of(beside))
    if past.repeated_by(figure):
        return Change(_ALIKE, "the baseline's own measurement")
    if reason := past.apart(figure):
        return Change(None, f"{reason}; {past.why_absent}")
    if dict(past.network) != dict(network):
        return Change(None, f"the network is another one by its operations; {past.why_absent}")
    for anchor in _ANCHORS:
        now, then = row.get(anchor), past.figure(anchor, figure.at)
        if now and then and then.value is not None:
            ratio = quotient((now["value"], *now["ci95"]), then.interval)
            calm = _calm(anchor, calm_of(now), past, figure.at)
            return Change(ratio, f"by the {anchor} of both runs", calm=calm)
    return Change(None, f"nothing was timed beside both; {past.why_absent}")


def change(name: str, figure: Figure, past: Past, network: Mapping[str, Any]) -> Change:
    """How a timed figure changed."""
    then = past.figure(name, figure.at)
    was = then.value if then else None
    if past.repeated_by(figure):
        return Change(_ALIKE, "the baseline's own measurement", was)
    if name in RATIOS:
        if reason := past.apart(figure):
            return Change(None, reason, was)
        if then is None or then.value is None:
            return Change(None, f"the baseline knows no {name} on {figure.at}", was)
        calm = _calm(name, figure.calm, past, figure.at)
        return Change(quotient(figure.interval, then.interval), "by both runs", was, calm)
    found = _tail(name, figure, past, network) or faster(figure, past, network)
    ratio, calm = found.ratio, found.calm
    if name in LATENCIES:
        ratio, calm = ratio and inverse(ratio), calm and inverse(calm)
    return Change(ratio, found.how, was, calm)


def _calm(name: str, now: Interval | None, past: Past, at: str) -> Interval | None:
    """A ratio of two runs as the least disturbed samples of both have it."""
    then = past.figure(f"{name}_p10", at)
    return quotient(now, then.interval) if now and then and then.value is not None else None


def _tail(name: str, figure: Figure, past: Past, network: Mapping[str, Any]) -> Change | None:
    """Of a percentile, which need not move as the median does; None for any other figure."""
    word = name.removeprefix("latency_ms_")
    if word not in {"p90", "p95", "p99"} or name not in LATENCIES:
        return None
    row = figure.row or {}
    if beside := row.get("speedup_vs_baseline"):
        told = beside.get("percentiles", {}).get(word)
        if told is None:
            return Change(None, "measured too briefly to tell tails apart")
        return Change((told["value"], *told["ci95"]), "timed side by side")
    whole = faster(figure, past, network)
    if whole.ratio is None:
        return whole
    for anchor in _ANCHORS:
        now = (row.get(anchor) or {}).get("percentiles", {}).get(word)
        then = past.figure(f"{anchor}_{word}", figure.at)
        if now and then:
            ratio = quotient((now["value"], *now["ci95"]), then.interval)
            return Change(ratio, f"by the {anchor} of both runs")
    return Change(None, "measured too briefly to tell tails apart")


def judge_change(
    name: str, gate: Gate, figure: Figure, past: Past, network: Mapping[str, Any]
) -> Judged:
    """Hold a change against a gate."""
    then = past.figure(name, figure.at)
    if name in TIMED:
        found = change(name, figure, past, network)
    elif then is None or then.value is None:
        found = Change(None, f"the baseline knows no {name}")
    else:
        assert figure.value is not None
        ratio = figure.value / then.value if then.value else 1.0
        found = Change((ratio, ratio, ratio), "", then.value)
    if found.ratio is None or found.was is None:
        return Judged("not comparable", found)
    was, dust = found.was, _DUST * max(1.0, abs(found.was))
    if math.isinf(was):  # no noise at all: any is more than that
        worse = gate.max_decrease is not None and figure.value != was
        return Judged("missed" if worse else "held", found)
    timed = name in TIMED
    now = _scaled(found.ratio, was) if timed else figure.interval
    less, more = (
        math.inf if bound is None else allowed(bound, was) + dust
        for bound in (gate.max_decrease, gate.max_increase)
    )
    verdict, calm = within(now, was - less, was + more, certain=figure.certain), None
    if verdict == "too noisy" and found.calm and figure.certain:
        told = within(_scaled(found.calm, was), was - less, was + more)
        if told != "too noisy":
            verdict, calm = told, found.calm
    return Judged(verdict, found, figure.certain and _better(now, was, less, more), calm)


def _scaled(ratio: Interval, was: float) -> Interval:
    return ratio[0] * was, ratio[1] * was, ratio[2] * was


def _better(now: Interval, was: float, less: float, more: float) -> bool:
    """Whether a figure moved as far the other way as a one-sided bound would have let it."""
    _, low, high = now
    if less < math.inf and more < math.inf:
        return False
    return low > was + less if less < math.inf else high < was - more
