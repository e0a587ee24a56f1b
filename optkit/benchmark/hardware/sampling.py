"""How fast a piece of work goes, at its best: several pieces take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

REST = 0.010
"""Seconds between turns, in which the threads of the turn before fall asleep."""

# Short, so that some come through undisturbed on a busy machine.
_BLOCK = 0.015
_ROUNDS = range(5, 200)
_WHOLE = 0.95


@dataclass(frozen=True)
class Work:
    """A piece of work whose rate is wanted.

    Attributes:
        name: what it exercises: a precision, or `copy`.
        threads: processor threads that it keeps busy; None on another device.
        amount: operations (a multiply-add counts two), or bytes read and written, in one go.
        run: does it so many times, and waits until it is done.
        kernel: what the library runs it with.
    """

    name: str
    threads: int | None
    amount: float
    run: Callable[[int], None]
    kernel: str


@dataclass(frozen=True)
class Rate:
    """How fast a piece of work went.

    Attributes:
        best: amount per second in the best block.
        spread: by how much of the best the median block fell short.
        blocks: how many were timed.
        undisturbed: how many of them had their processor cores for themselves. Where there are
            any, `best` and `spread` are theirs alone.
    """

    best: float
    spread: float
    blocks: int
    undisturbed: int


def rates(works: Sequence[Work], seconds: float) -> list[Rate]:
    """The rate of each, from blocks in turn until the time is up, five at least.

    Other load only ever slows a block down, so the best comes nearest to what the hardware can do.
    Work so slow that five blocks would take twice as long gets fewer.
    """
    counts = [_count(work) for work in works]
    found: list[list[tuple[float, float]]] = [[] for _ in works]
    start = time.perf_counter()
    for done in range(_ROUNDS.stop):
        spent = time.perf_counter() - start
        if spent >= seconds and (done >= _ROUNDS.start or spent >= 2 * seconds):
            break
        for work, count, rows in zip(works, counts, found, strict=True):
            time.sleep(REST)
            rows.append(_block(work, count))
    return [_rate(rows) for rows in found]


def _count(work: Work) -> int:
    """How many times fill a block; the first run also warms up."""
    work.run(1)
    return max(1, round(_BLOCK * _block(work, 1)[0] / work.amount))


def _block(work: Work, count: int) -> tuple[float, float]:
    """Amount per second, and the share of its processor threads' time that it was given."""
    start, used = time.perf_counter(), time.process_time()
    work.run(count)
    elapsed, used = time.perf_counter() - start, time.process_time() - used
    return work.amount * count / elapsed, used / elapsed / work.threads if work.threads else 1.0


def _rate(blocks: Sequence[tuple[float, float]]) -> Rate:
    whole = [rate for rate, share in blocks if share >= _WHOLE]
    counted = whole or [rate for rate, _ in blocks]
    best = max(counted)
    return Rate(best, 1 - statistics.median(counted) / best, len(blocks), len(whole))
