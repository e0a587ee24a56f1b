"""Offering inferences to a session, and what the kernel did meanwhile."""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING

from optkit.core.contract import Session

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

Finished = Callable[[Exception | None], None]


def preemptions() -> int:
    """How often the kernel has taken a core from a thread of this process that wanted it.

    Of every thread, as a model is held up by any of its workers. One call costs about a
    microsecond: made between timings, never within one.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def waited() -> int:
    """Nanoseconds for which threads of this process have waited for a core that others had.

    What is waited for at the start of an inference takes no core away, so `preemptions` does not
    count it. Zero where the kernel does not tell. Some 10 microseconds for each thread: for the
    time around a turn.
    """
    total = 0
    for kept in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            total += int(kept.read_text().split()[1])
    return total


def watched(call: Callable[[], object]) -> tuple[int, bool]:
    """Nanoseconds of a call, and whether the process was preempted during it."""
    before = preemptions()
    start = perf_counter_ns()
    call()
    taken = perf_counter_ns() - start
    return taken, preemptions() > before


def run_all(session: Session, arrays: Arrays, count: int) -> None:
    """Run so many inferences and wait for them: side by side where the session can, else in turn.

    Raises:
        Exception: whatever the runtime refuses one of them with.
    """
    if session.submit is None:
        run = session.run or session.infer
        for _ in range(count):
            run(arrays)
        return
    finished, wait = awaited(count)
    for _ in range(count):
        session.submit(arrays, finished)
    wait()


def awaited(count: int) -> tuple[Finished, Callable[[], None]]:
    """What each of so many submitted inferences calls at its end, and a wait for all of them.

    The wait sleeps on one lock, and raises the first error that came.
    """
    gate = threading.Lock()
    gate.acquire()
    others = iter(range(count - 1))  # `next` is atomic: the last to finish alone finds it empty
    errors: list[Exception] = []

    def finished(error: Exception | None) -> None:
        if error is not None:
            errors.append(error)
        if next(others, None) is None:
            gate.release()

    def wait() -> None:
        gate.acquire()
        if errors:
            raise errors[0]

    return finished, wait
