"""One inference after another, each timed by itself: latency."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING

from optkit.benchmark.scenarios import Block
from optkit.core.artifact import Artifact
from optkit.core.contract import Runtime, Session
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np


def prepare(
    runtime: Runtime, artifact: Artifact, settings: Settings, arrays: Mapping[str, np.ndarray]
) -> tuple[Session, Block]:
    """Load the model; its block times every inference."""
    session = runtime.open_session(artifact, settings)
    infer = session.infer

    def block(count: int) -> list[float]:
        times: list[float] = []
        for _ in range(count):
            start = perf_counter_ns()
            infer(arrays)
            times.append(perf_counter_ns() - start)
        return times

    return session, block
