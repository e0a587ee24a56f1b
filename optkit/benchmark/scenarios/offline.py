"""All inferences are there at once, timed as a whole: throughput.

A runtime that can overlap inferences has `open_offline`; with any other they run one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from optkit.benchmark.scenarios import Block
from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np


def prepare(
    runtime: Any, artifact: Artifact, settings: Settings, arrays: Mapping[str, np.ndarray]
) -> tuple[Session, Block]:
    """Load the model; its block gives one figure, the mean time per inference."""
    if hasattr(runtime, "open_offline"):
        session, infer_all = runtime.open_offline(artifact, settings)
    else:
        session = runtime.open_session(artifact, settings)

        def infer_all(inputs: list[Mapping[str, np.ndarray]]) -> None:
            for one in inputs:
                session.infer(one)

    # Too few to overlap would measure a pipeline that never fills.
    at_least = 4 * int(session.settings.get("streams", 1))

    def block(count: int) -> list[float]:
        count = max(count, at_least)
        start = perf_counter_ns()
        infer_all([arrays] * count)
        return [(perf_counter_ns() - start) / count]

    return session, block
