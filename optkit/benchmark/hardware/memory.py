"""The memory's bandwidth, as numpy copies arrays that no cache holds."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from optkit.benchmark.hardware.sampling import Work
from optkit.core.machine import cache_bytes, cores

_LEAST = 64 * 2**20


def works(scale: float) -> list[Work]:
    """A copy on one core, and on all of them at once."""
    return [_copy(threads, scale) for threads in sorted({1, cores()})]


def _copy(threads: int, scale: float) -> Work:
    import numpy as np

    # All arrays together are eight times the caches, in a quarter of the memory at most.
    wanted = max(_LEAST * threads, 4 * cache_bytes()) * scale
    length = int(min(wanted, _memory() / 8) / threads / 8)
    pairs = [(np.ones(length), np.zeros(length)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def run(times: int) -> None:
        def repeat(pair: tuple[np.ndarray, np.ndarray]) -> None:
            for _ in range(times):
                np.copyto(pair[1], pair[0])  # gives the interpreter's lock away meanwhile

        list(pool.map(repeat, pairs))

    return Work("copy", threads, 2 * 8 * length * threads, run, "numpy.copyto")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return 8 * 2**30
