"""One inference after another, each timed by itself: latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

HINT: Hint = "latency"
API: Api = "sync"
RESUMES = True


def prepare(session: Session, arrays: Mapping[str, np.ndarray], plan: Plan) -> Load:
    """Its block times every inference; one that is submitted is waited for."""
    del plan
    alone = session.run or session.infer
    infer = alone if session.submit is None else partial(run_all, session)
    args = (arrays,) if session.submit is None else (arrays, 1)

    def block(count: int) -> Turn:
        timed = [watched(partial(infer, *args)) for _ in range(count)]
        return Turn([time for time, _ in timed], count, sum(hit for _, hit in timed), count)

    return Load(block)


def figures(turns: Sequence[Turn], plan: Plan, batch: int) -> dict[str, Any]:
    """Latencies of single inferences."""
    return closed_loop(turns, batch, plan.seed)
