"""Queries arrive when they arrive: the largest load that keeps a latency bound.

Arrivals are Poisson and come on schedule, whether or not the model keeps up; a latency counts from
the scheduled arrival, so that waiting is part of it.

A queue needs time to build up, so models take turns by windows rather than by blocks of a few
milliseconds: several times the latency bound, and long enough for some dozens of arrivals. Each
window starts with an empty queue. A load a little above what the model can do might therefore pass
for a while; hence no load above the throughput measured without any waiting is tried. The search
of each model goes on where its last window left it:

1. Bisection between nothing and that throughput. The machine's own disturbances only ever add to a
   latency: a load counts as missed when two windows in a row miss the bound.
2. Proof. The load found is offered again and again, and lowered whenever all its windows taken
   together miss the bound, by 5 % and then by twice as much each time: a machine that others use
   more than before is not crept up on. The figures rest on these windows alone, as those of the
   bisection were chosen by their outcome.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from optkit.benchmark.figures import in_ms, latencies, preempted
from optkit.benchmark.load import awaited, preemptions
from optkit.benchmark.scenarios import Load, Turn, offline
from optkit.benchmark.spec import Plan
from optkit.core import stats
from optkit.core.contract import Session
from optkit.core.settings import Api, Hint

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

HINT: Hint = "throughput"
API: Api = "async"
RESUMES = False  # a search that is begun anew finds its own loads

STEPS = 6
PROOFS = 3
MOST_WINDOWS = 40
LOWERED = 0.05
MOST_LOWERED = 0.4
WINDOW = 0.4
WINDOW_IN_BOUNDS = 5
WINDOW_IN_INFERENCES = 40


@dataclass(frozen=True)
class Search:
    """Where a search stands.

    Attributes:
        load: to be offered next.
        above: the least load that was tried above it and missed, or the ceiling.
        proofs: the windows that were offered at `load` since the bisection ended; None before.
    """

    load: float
    above: float
    proofs: tuple[Turn, ...] | None


def prepare(session: Session, arrays: Arrays, plan: Plan) -> Load:
    """Its turns are windows of the search."""
    windows: list[Turn] = []

    def turns(ns: float) -> Callable[[int], Turn]:
        ceiling = 1e9 / ns
        seconds = max(
            WINDOW, WINDOW_IN_BOUNDS * plan.latency_bound_ms / 1e3, WINDOW_IN_INFERENCES / ceiling
        )

        def turn(number: int) -> Turn:
            load = search(windows, ceiling, plan.latency_bound_ms).load
            # The same arrivals for every model, as far as their loads allow.
            due = arrivals(load, seconds, f"{plan.seed} {number}")
            before = preemptions()
            times = _offer(session, arrays, due)
            hit = int(preemptions() > before)
            windows.append(Turn(times, len(due), hit, 1, load, ceiling))
            return windows[-1]

        return turn

    def searching() -> bool:
        if not windows or len(windows) >= MOST_WINDOWS:
            return not windows
        proofs = search(windows, windows[-1].ceiling or 0, plan.latency_bound_ms).proofs
        return len(proofs or ()) < PROOFS

    return replace(offline.prepare(session, arrays, plan), turns=turns, searching=searching)


def figures(turns: Sequence[Turn], plan: Plan, batch: int) -> dict[str, Any]:
    """The load found, and latencies at it; the least load tried where none holds.

    `server` tells `load_per_s` (inferences, 0 where none holds), its `bracket` (the load, and the
    least above it that missed), `latency_bound_ms`, `held`, `queries` and `windows` that this
    rests on, and `tried`: each window's load and p99.
    """
    bound = plan.latency_bound_ms
    ceiling = turns[-1].ceiling or 0
    found = search(turns, ceiling, bound)
    at = found.load if found.proofs else turns[-1].load
    used = found.proofs or [turn for turn in turns if turn.load == at]
    rounds = in_ms(used)
    latency = latencies(rounds, plan.seed)
    held = bool(found.proofs) and latency["p99"] <= bound
    load = float(at or 0) if held else 0.0
    queries = sum(map(len, rounds))
    tried = [{"load_per_s": turn.load, "p99_ms": _p99([turn])} for turn in turns]
    server = {
        "load_per_s": load,
        "bracket": [load, found.above if held else float(at or 0)],
        "latency_bound_ms": bound,
        "held": held,
        "queries": queries,
        "windows": len(used),
        "tried": tried,
    }
    if not held:
        server["reason"] = (
            f"p99 is {latency['p99']:.4g} ms at {at:.4g} inferences per second, the least load "
            f"tried; the bound is {bound:g} ms"
            if found.proofs
            else f"the search was not over after {len(turns)} windows; measure it longer"
        )
    return {
        "samples": queries,
        "preempted": preempted(used),
        "latency_ms": latency,
        "throughput_per_s": load * batch,
        "raw_ms": rounds,
        "waited": [turn.waited for turn in used],
        "server": server,
    }


def search(windows: Sequence[Turn], ceiling: float, bound_ms: float) -> Search:
    """Where the search stands after these windows."""
    low, high, steps, once = 0.0, ceiling, 0, False
    for at, window in enumerate(windows):
        if steps == STEPS:
            return _proving(windows[at:], low or high, high, bound_ms)
        if _p99([window]) <= bound_ms:
            low = window.load or 0.0
        elif not once:
            once = True
            continue
        else:
            high = window.load or 0.0
        steps, once = steps + 1, False
    if steps == STEPS:
        return Search(low or high, high, ())
    return Search((low + high) / 2, high, None)


def _proving(windows: Sequence[Turn], load: float, above: float, bound_ms: float) -> Search:
    """Stay where all windows of a load hold together, else go lower."""
    least = load if load == above else 0.0  # the bisection found none that holds
    proofs: list[Turn] = []
    by = LOWERED
    for window in windows:
        proofs.append(window)
        if len(proofs) < PROOFS or _p99(proofs) <= bound_ms or load == least:
            continue
        load, above, proofs = load * (1 - by), load, []
        by = min(2 * by, MOST_LOWERED)
    return Search(load, above, tuple(proofs))


def arrivals(load: float, seconds: float, seed: str) -> list[int]:
    """Poisson arrivals at `load` per second: nanoseconds from the window's start; at least one."""
    draw = random.Random(seed).expovariate  # noqa: S311  no secret hangs on it
    due: list[int] = []
    now = draw(1.0) / load
    while now < seconds or not due:
        due.append(int(now * 1e9))
        now += draw(1.0) / load
    return due


def _offer(session: Session, arrays: Arrays, due: Sequence[int]) -> list[float]:
    """Latencies in nanoseconds, each from the scheduled arrival."""
    done = [0] * len(due)
    finished, wait = awaited(len(due))

    def ended(at: int, error: Exception | None) -> None:
        done[at] = perf_counter_ns()
        finished(error)

    start = perf_counter_ns()
    for at, offset in enumerate(due):
        early = start + offset - perf_counter_ns()
        if early > 0:
            time.sleep(early / 1e9)
        if session.submit is None:  # one at a time: later arrivals wait their turn
            session.infer(arrays)
            ended(at, None)
        else:
            session.submit(arrays, partial(ended, at))
    wait()
    return [end - start - offset for end, offset in zip(done, due, strict=True)]


def _p99(windows: Sequence[Turn]) -> float:
    """In milliseconds."""
    return stats.percentile([sample / 1e6 for window in windows for sample in window.times], 99)
