"""Worker threads that run inferences side by side; they block while there is nothing to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import TYPE_CHECKING, Any

from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Done = Callable[[Exception | None], None]
    Line = SimpleQueue[tuple[Arrays, Done] | None]


HINTS = ("latency", "throughput", "none")
"""The hints that `shared_out` knows; runtimes that share out by it refuse others."""


@dataclass(frozen=True)
class Share:
    """How a processor is shared out.

    Attributes:
        streams: inferences that run side by side.
        threads: of each; None leaves them to the runtime.
        nireq: inferences under way, waiting ones included.
    """

    streams: int
    threads: int | None
    nireq: int


def shared_out(settings: Settings) -> Share:
    """The share of each stream, for a runtime that does not share out by itself.

    For throughput there are as many streams as threads (two on a device that is no processor),
    else there is one, unless the settings say how many.
    """
    cores = settings.threads or len(os.sched_getaffinity(0))
    many = cores if settings.device == "CPU" else 2
    streams = settings.streams or (many if settings.hint == "throughput" else 1)
    divided = settings.threads is not None or streams > 1
    return Share(streams, max(1, cores // streams) if divided else None, settings.nireq or streams)


def resolved(settings: Settings, _used: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """What settings come to in a runtime that does not share out by itself; None if it refuses."""
    if settings.hint not in {None, *HINTS}:
        return None
    return asdict(settings) | asdict(shared_out(settings)) | {"hint": None}


def side_by_side(
    lanes: int, slots: int, enter: Callable[[int], Callable[[Arrays], object]]
) -> tuple[Callable[[Arrays, Done], None], Callable[[], None]]:
    """The `submit` and the `close` of a session, over threads that start with the first submit.

    Args:
        lanes: how many inferences run at once.
        slots: how many may be under way, those in line included.
        enter: called in each thread, with the number of its lane; gives the lane's inference.
    """
    line: Line = SimpleQueue()
    free = Semaphore(slots)
    threads: list[Thread] = []
    lock = Lock()

    def start() -> None:
        with lock:
            if not threads:
                threads.extend(
                    Thread(target=_work, args=(line, free, enter, lane), daemon=True)
                    for lane in range(lanes)
                )
                for thread in threads:
                    thread.start()

    def submit(arrays: Arrays, done: Done) -> None:
        if not threads:
            start()
        free.acquire()
        line.put((arrays, done))

    def close() -> None:
        for _ in threads:
            line.put(None)
        for thread in threads:
            thread.join()
        threads.clear()

    return submit, close


def _work(
    line: Line, free: Semaphore, enter: Callable[[int], Callable[[Arrays], object]], lane: int
) -> None:
    infer = None
    while (job := line.get()) is not None:
        arrays, done = job
        error = None
        try:
            infer = infer or enter(lane)
            infer(arrays)
        except Exception as caught:
            error = caught
        free.release()
        done(error)
