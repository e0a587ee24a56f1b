"""The measuring process: `python -m optkit.benchmark.child`, a plan on stdin, JSON lines on stdout.

A crash in a library's native code ends this process and no other. Models take turns, so that
whatever else the machine does meets all of them alike.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, Any

from optkit.benchmark import scenarios
from optkit.benchmark.scenarios import Block
from optkit.benchmark.spec import Contender, Plan, plan_from_json, read_inputs
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, root_cause

# Worker threads of a library that has just run spin for a few milliseconds before they sleep, and
# cost the next model up to 60 % on few cores. To forbid spinning would be no better: small models
# then take twice as long in PyTorch and in ONNX Runtime. After this rest, every model is as fast
# as in a process of its own.
REST = 0.010
SETTLE = 2_000_000
BLOCK = 10_000_000
MOST_PER_BLOCK = 50
ROUNDS = range(10, 1000)

Tell = Callable[..., None]


def main() -> None:
    """Read a plan, measure, tell."""
    tell = _teller(_only_voice())
    try:
        _measure(plan_from_json(json.load(sys.stdin)), tell)
    except OptkitError as error:
        tell("error", message=error.message, hint=error.hint, exit=int(error.exit_code))


def _only_voice() -> IO[str]:
    """The real stdout for us alone; what libraries print goes to stderr."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return voice


def _teller(voice: IO[str]) -> Tell:
    def tell(event: str, **facts: Any) -> None:
        print(json.dumps({"event": event, **facts}), file=voice, flush=True)

    return tell


def _measure(plan: Plan, tell: Tell) -> None:
    prepare = scenarios.find(plan.scenario)
    opened: list[tuple[Session, Block]] = []
    counts: list[int] = []
    for at, contender in enumerate(plan.contenders):
        tell("at", contender=at, doing="loading")
        settings = contender.settings
        if settings.threads is None:
            settings = replace(settings, threads=len(os.sched_getaffinity(0)))
        runtime = importlib.import_module(f"optkit.runtimes.{contender.runtime}")
        arrays = read_inputs(contender.inputs)
        session, block = prepare(runtime, contender.artifact, settings, arrays)
        tell("at", contender=at, doing="warming up")
        with _named(contender):
            opened.append((session, block))
            counts.append(_block_size(block, plan.warmup))
    samples = _rounds(plan, [block for _, block in opened], counts, tell)
    for at, (session, _) in enumerate(opened):
        tell("at", contender=at, doing="reading the compiled graph of")
        executed, settings_used = session.executed(), dict(session.settings)
        tell("row", contender=at, samples=samples[at], executed=executed, settings=settings_used)
    tell("done")


def _rounds(plan: Plan, blocks: list[Block], counts: list[int], tell: Tell) -> list[Any]:
    """Nanoseconds by contender and round."""
    samples: list[list[list[float]]] = [[] for _ in blocks]
    order = list(range(len(blocks)))
    shuffle = random.Random(plan.seed).shuffle  # noqa: S311  no secret hangs on it
    budget = plan.seconds * len(blocks)
    start = time.perf_counter()
    gc.collect()
    gc.disable()
    for done in range(ROUNDS.stop):
        spent = time.perf_counter() - start
        tell("progress", done=min(spent, budget), total=budget)
        # A model that takes seconds per inference is not made to go through all the rounds.
        if spent >= budget and (done >= ROUNDS.start or (done >= 3 and spent >= 5 * budget)):
            break
        shuffle(order)
        for at in order:
            tell("at", contender=at, doing="measuring")
            time.sleep(REST)
            settled = time.perf_counter_ns() + SETTLE
            with _named(plan.contenders[at]):
                blocks[at](1)
                while time.perf_counter_ns() < settled:
                    blocks[at](1)
                samples[at].append(blocks[at](counts[at]))
    gc.enable()
    return samples


def _block_size(block: Block, warmup: int) -> int:
    """Warm up; how many inferences fill a block."""
    fastest = min(time_ns for _ in range(max(1, warmup)) for time_ns in block(1))
    return int(min(max(1, BLOCK // max(fastest, 1)), MOST_PER_BLOCK))


@contextlib.contextmanager
def _named(contender: Contender) -> Iterator[None]:
    """Say which model it was that a library refused to run."""
    try:
        yield
    except Exception as error:
        raise OptkitError(
            f"{contender.name} fails in {contender.runtime}: {root_cause(error)}",
            "check the inputs that it is fed: --input name=shape:dtype",
        ) from error


if __name__ == "__main__":
    main()
