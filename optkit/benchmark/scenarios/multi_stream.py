"""Several inferences come at once, the next ones when all of them are done: latency per query."""

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

HINT: Hint = "throughput"
API: Api = "async"
RESUMES = True


def prepare(session: Session, arrays: Mapping[str, np.ndarray], plan: Plan) -> Load:
    """Its block times every query, from its arrival until the last of its inferences is done."""
    query = partial(run_all, session, arrays, plan.per_query)

    def block(count: int) -> Turn:
        timed = [watched(query) for _ in range(count)]
        hits = sum(hit for _, hit in timed)
        return Turn([time for time, _ in timed], count * plan.per_query, hits, count)

    return Load(block)


def figures(turns: Sequence[Turn], plan: Plan, batch: int) -> dict[str, Any]:
    """Latencies of queries; `per_query` inferences each."""
    found = closed_loop(turns, batch * plan.per_query, plan.seed)
    return {**found, "per_query": plan.per_query}
