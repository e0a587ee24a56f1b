"""All inferences are there at once, timed as a whole: throughput."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optkit.benchmark.figures import closed_loop
from optkit.benchmark.load import run_all, watched
from optkit.benchmark.scenarios import Load, Turn
from optkit.benchmark.spec import Plan
from optkit.core.contract import Session
from optkit.core.settings import Api, Hint

if TYPE_CHECKING:
    import numpy as np

HINT: Hint = "throughput"
API: Api = "async"
RESUMES = True

# Nanoseconds of a turn, at least. Cores and caches take some milliseconds to come back from a
# rest, and the last slots to finish run alone: 32 ms of MobileNetV2 give 0.95 of the throughput
# that it has without end, 130 ms all of it.
TURN = 100_000_000


def prepare(session: Session, arrays: Mapping[str, np.ndarray], plan: Plan) -> Load:
    """Its block gives one sample, the mean time per inference."""
    # Too few to overlap would measure a pipeline that never fills.
    each = 2 if plan.at_a_glance else 4
    at_least = 1 if session.submit is None else each * session.slots

    def block(count: int) -> Turn:
        count = max(count, at_least)
        time, hit = watched(partial(run_all, session, arrays, count))
        return Turn([time / count], count, int(hit), 1)

    def turns(ns: float) -> Callable[[int], Turn]:
        count = math.ceil(TURN / ns)
        return lambda _: block(count)

    settle = partial(run_all, session, arrays, session.slots)
    return Load(block, None if plan.at_a_glance else turns, settle=settle)


def figures(turns: Sequence[Turn], plan: Plan, batch: int) -> dict[str, Any]:
    """Mean times per inference, and throughput."""
    return closed_loop(turns, batch, plan.seed)
