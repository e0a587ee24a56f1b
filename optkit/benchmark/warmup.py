"""Running a model until it is steady."""

from __future__ import annotations

import time
from dataclasses import dataclass

from optkit.benchmark.scenarios import Block

BLOCK = 10_000_000
MOST_PER_BLOCK = 50
LAST = 4
FALLING = 0.98


@dataclass(frozen=True)
class Warm:
    """A model that is steady.

    Attributes:
        inferences: run until then.
        ns: of one inference in its fastest block.
        block: queries that fill 10 ms.
        block_ns: of so many queries.
    """

    inferences: int
    ns: float
    block: int
    block_ns: float


def warm_up(block: Block, most_seconds: float) -> Warm:
    """Run blocks of 10 ms until the last few bring no time that is lower by 2 %.

    Compilers that work at the first calls, memory that is touched first, clocks that rise: all of
    these end in times that fall no more, after as many inferences as they take.

    Args:
        block: runs so many queries.
        most_seconds: after that long no block is begun, but for the very first.
    """
    start = time.perf_counter()
    fastest: list[float] = []  # of each block, nanoseconds of a query
    count, inferences, per_query = 1, 0, 1.0
    while not steady(fastest) and (not fastest or time.perf_counter() - start < most_seconds):
        began = time.perf_counter_ns()
        turn = block(count)
        inferences += turn.inferences
        per_query = turn.inferences / count
        fastest.append((time.perf_counter_ns() - began) / count)
        count = int(min(max(1, BLOCK // max(min(fastest), 1)), MOST_PER_BLOCK))
    return Warm(inferences, min(fastest) / per_query, count, min(fastest) * count)


def steady(blocks: list[float]) -> bool:
    """Whether the last few of these block times are no new lows."""
    before, last = blocks[:-LAST], blocks[-LAST:]
    return bool(before) and min(last) >= FALLING * min(before)
