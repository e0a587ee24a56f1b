"""The measuring process: `python -m optkit.benchmark.child`, a plan on stdin, JSON lines on stdout.

A crash in a library's native code ends this process and no other. Models take turns, so that
whatever else the machine does meets all of them alike. Every turn is told as soon as it is over,
so that what was measured outlives this process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from optkit.benchmark import scenarios
from optkit.benchmark.scenarios import Load, Scenario, Turn
from optkit.benchmark.spec import Contender, Plan, plan_from_json, read_inputs
from optkit.benchmark.warmup import warm_up
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, root_cause
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

# Worker threads of a library that has just run spin for a few milliseconds before they sleep, and
# cost the next model up to 60 % on few cores. To forbid spinning would be no better: small models
# then take twice as long in PyTorch and in ONNX Runtime. After this rest, every model is as fast
# as in a process of its own.
REST = 0.010
SETTLE = 2_000_000
ROUNDS = range(10, 1000)
FEW_ROUNDS = 3
PATIENCE = 2.0

Tell = Callable[..., None]


@dataclass(frozen=True)
class Runner:
    """A model that is ready to be measured."""

    load: Load
    turn: Callable[[int], Turn]


def main() -> None:
    """Read a plan, measure, tell."""
    tell = teller(only_voice())
    _measure(plan_from_json(json.load(sys.stdin)), tell)
    tell("done")


def only_voice() -> IO[str]:
    """The real stdout for us alone; what libraries print goes to stderr."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return voice


def teller(voice: IO[str]) -> Tell:
    """What says an event and its facts, as a line of JSON."""

    def tell(event: str, **facts: Any) -> None:
        print(json.dumps({"event": event, **facts}), file=voice, flush=True)

    return tell


def _measure(plan: Plan, tell: Tell) -> None:
    scenario = scenarios.find(plan.scenario)
    runners: dict[int, Runner] = {}
    for at in range(len(plan.contenders)):
        try:
            runners[at] = _opened(plan, at, scenario, tell)
        except Exception as error:  # the others go on
            _tell_failed(plan.contenders[at], at, error, tell)
    if runners:
        _rounds(plan, runners, tell)


def _opened(plan: Plan, at: int, scenario: Scenario, tell: Tell) -> Runner:
    contender = plan.contenders[at]
    tell("at", contender=at, doing="loading")
    settings = settled(contender.settings, scenario)
    runtime = importlib.import_module(f"optkit.runtimes.{contender.runtime}")
    arrays = batched(read_inputs(contender.inputs), settings.batch)
    session: Session = runtime.open_session(contender.artifact, settings)
    if settings.api != "async":
        session = replace(session, submit=None)
    tell("at", contender=at, doing="reading the compiled graph of")
    executed = session.executed()
    tell("at", contender=at, doing="warming up")
    load = scenario.prepare(session, arrays, plan)
    warm = warm_up(load.block, plan.warmup)
    used = {
        **session.settings,
        "api": "sync" if session.submit is None else "async",
        "batch": settings.batch,
    }
    tell("opened", contender=at, executed=executed, settings=used, warmup=warm.inferences)
    if load.turns is not None:
        return Runner(load, load.turns(warm.ns))
    return Runner(load, lambda _: load.block(warm.block))


def settled(settings: Settings, scenario: Scenario) -> Settings:
    """The settings with what the scenario, and the machine, put in place of None."""
    threads = settings.threads
    if threads is None and settings.device == "CPU":
        threads = len(os.sched_getaffinity(0))
    return replace(
        settings,
        hint=settings.hint or scenario.HINT,
        api=settings.api or scenario.API,
        threads=threads,
    )


def batched(arrays: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    """The arrays repeated along their first axis."""
    if batch == 1:
        return arrays
    return {name: array.repeat(batch, axis=0) for name, array in arrays.items() if array.ndim} | {
        name: array for name, array in arrays.items() if not array.ndim
    }


def _rounds(plan: Plan, runners: dict[int, Runner], tell: Tell) -> None:
    """Let the models take turns until the time is spent and no search goes on."""
    order = list(runners)
    shuffle = random.Random(plan.seed).shuffle  # noqa: S311  no secret hangs on it
    budget = plan.seconds * len(order)
    start = time.perf_counter()
    gc.collect()
    gc.disable()
    for done in range(ROUNDS.stop):
        spent = time.perf_counter() - start
        tell("progress", done=min(spent, budget), total=budget)
        # A model that takes seconds per inference is not made to go through all the rounds.
        slow = spent >= max(5 * budget, PATIENCE * len(runners))
        enough = done >= ROUNDS.start or (slow and done >= FEW_ROUNDS)
        searching = any(runners[at].load.searching() for at in order)
        if spent >= budget and enough and not searching:
            break
        shuffle(order)
        for at in tuple(order):
            tell("at", contender=at, doing="measuring")
            try:
                turn = _turn(runners[at], done)
            except Exception as error:  # the others go on
                _tell_failed(plan.contenders[at], at, error, tell)
                order.remove(at)
            else:
                tell("turn", contender=at, **asdict(turn))
        if not order:
            break


def _turn(runner: Runner, number: int) -> Turn:
    time.sleep(REST)
    settled = time.perf_counter_ns() + SETTLE
    runner.load.block(1)
    while time.perf_counter_ns() < settled:
        runner.load.block(1)
    return runner.turn(number)


def _tell_failed(contender: Contender, at: int, error: Exception, tell: Tell) -> None:
    """Say which model it was that a library refused to run."""
    if not isinstance(error, OptkitError):
        batch = contender.settings.batch
        fix = f"measure it with batch 1: {batch} may not fit its inputs" if batch > 1 else (
            "check the inputs that it is fed: --input name=shape:dtype"
        )  # fmt: skip
        error = OptkitError(
            f"{contender.name} fails in {contender.runtime}: {root_cause(error)}", fix
        )
    tell(
        "failed",
        contender=at,
        message=error.message,
        hint=error.hint,
        exit=int(error.exit_code),
    )


if __name__ == "__main__":
    main()
