"""The measuring process: `python -m optkit.benchmark.child`, plans on stdin, words on stdout.

Each is a line of JSON. What is said to a plan ends with `done`.

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
PATIENCE = 1.0

# What opening takes at most that counts as a library's import: the next time it goes quicker.
IMPORTS = 10.0
# A turn that takes longer, in nanoseconds, hardly notices at a glance whose the caches were.
LONG = 50_000_000
# Models are open twice while they are opened anew.
LARGE = 10**9

Tell = Callable[..., None]


@dataclass(frozen=True)
class Runner:
    """A model that is ready to be measured; `settle` is None where its turns need none."""

    load: Load
    turn: Callable[[int], Turn]
    close: Callable[[], None]
    settle: Callable[[], object] | None


@dataclass(frozen=True)
class Sitting:
    """When a sitting begins and ends, and when all of them end, in seconds of measuring."""

    begins: float
    ends: float
    whole: float


def main() -> None:
    """Read plan after plan, measure, tell."""
    tell = teller(only_voice())
    for line in sys.stdin:
        _measure(plan_from_json(json.loads(line)), tell)
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
    """Measure in sittings: the models are loaded anew for each, to lie elsewhere in memory."""
    scenario = scenarios.find(plan.scenario)
    order = list(range(len(plan.contenders)))
    shuffle = random.Random(plan.seed).shuffle  # noqa: S311  no secret hangs on it
    budget = plan.seconds * len(order)
    length = budget / plan.sittings if _anew(plan, scenario) else budget
    spent, runners = 0.0, dict[int, Runner]()
    while spent < budget and order:
        began = time.perf_counter()
        unread = plan.executed and not runners
        before, runners = runners, _all_opened(plan, order, scenario, unread, tell)
        for runner in before.values():
            runner.close()
        opening = time.perf_counter() - began
        # To open the models anew takes no longer than to measure them.
        if spent or opening > IMPORTS + length:
            length = max(length, opening)
        rest = budget - spent
        length = rest if rest < 1.5 * length else length
        order = _rounds(plan, runners, Sitting(spent, spent + length, budget), shuffle, tell)
        spent += length
    for runner in runners.values():
        runner.close()


def _anew(plan: Plan, scenario: Scenario) -> bool:
    """Whether models are opened again: it pays, there is room, turns can be put together."""
    light = sum(one.artifact.bytes for one in plan.contenders) < LARGE
    return scenario.RESUMES and light and not plan.at_a_glance


def _all_opened(
    plan: Plan, order: list[int], scenario: Scenario, unread: bool, tell: Tell
) -> dict[int, Runner]:
    """The models that can be loaded; unread compiled graphs are read along the way."""
    runners: dict[int, Runner] = {}
    for at in order:
        try:
            runners[at] = _opened(plan, at, scenario, unread, tell)
        except Exception as error:  # the others go on
            _tell_failed(plan.contenders[at], at, error, tell)
    return runners


def _opened(plan: Plan, at: int, scenario: Scenario, unread: bool, tell: Tell) -> Runner:
    contender = plan.contenders[at]
    tell("at", contender=at, doing="loading")
    settings = settled(contender.settings, scenario)
    runtime = importlib.import_module(f"optkit.runtimes.{contender.runtime}")
    arrays = batched(read_inputs(contender.inputs), settings.batch)
    session: Session = runtime.open_session(contender.artifact, settings)
    if settings.api != "async":
        session = replace(session, submit=None)
    tell("at", contender=at, doing="reading the compiled graph of")
    executed = session.executed() if unread else {}
    tell("at", contender=at, doing="warming up")
    load = scenario.prepare(session, arrays, plan)
    warm = warm_up(load.block, plan.warmup)
    used = {
        **session.settings,
        "api": "sync" if session.submit is None else "async",
        "batch": settings.batch,
    }
    tell("opened", contender=at, executed=executed, settings=used, warmup=warm.inferences)
    settles = not plan.at_a_glance or warm.block_ns < LONG
    settle = load.settle or (lambda: load.block(1))
    turn = load.turns(warm.ns) if load.turns else lambda _: load.block(warm.block)
    return Runner(load, turn, session.close, settle if settles else None)


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


def _rounds(
    plan: Plan,
    runners: dict[int, Runner],
    sitting: Sitting,
    shuffle: Callable[[list[int]], None],
    tell: Tell,
) -> list[int]:
    """Let the models take turns until the sitting is over and no search goes on.

    Returns:
        The models that did not fail.
    """
    order = list(runners)
    length = sitting.ends - sitting.begins
    least = ROUNDS.start if length >= sitting.whole else FEW_ROUNDS
    start = time.perf_counter() - sitting.begins
    gc.collect()
    gc.disable()
    for done in range(ROUNDS.stop):
        spent = time.perf_counter() - start
        tell("progress", done=min(spent, sitting.ends), total=sitting.whole)
        # A model that takes seconds per inference is not made to go through all the rounds.
        slow = spent >= sitting.begins + max(5 * length, PATIENCE * len(runners))
        enough = done >= least or (slow and done >= FEW_ROUNDS)
        searching = any(runners[at].load.searching() for at in order)
        if not order or (spent >= sitting.ends and enough and not searching):
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
    gc.enable()
    return order


def _turn(runner: Runner, number: int) -> Turn:
    time.sleep(REST)
    if runner.settle is not None:
        settled = time.perf_counter_ns() + SETTLE
        runner.settle()
        while time.perf_counter_ns() < settled:
            runner.settle()
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
