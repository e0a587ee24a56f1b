"""The measuring process: `python -m optkit.benchmark.child`, plans on stdin, words on stdout.

Each is a line of JSON. What is said to a plan ends with `done`.

A crash in a library's native code ends this process and no other. Models take turns, so that
whatever else the machine does meets all of them alike. Every turn is told as soon as it is over,
so that what was measured outlives this process.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from optkit.benchmark import scenarios
from optkit.benchmark.load import waited
from optkit.benchmark.opening import Runner, Tell, all_opened, session_keys, tell_failed
from optkit.benchmark.scenarios import Scenario, Turn
from optkit.benchmark.spec import Plan, plan_from_json
from optkit.core.contract import Session

# Worker threads of a library that has just run spin for a few milliseconds before they sleep, and
# cost the next model up to 60 % on few cores. To forbid spinning would be no better: small models
# then take twice as long in PyTorch and in ONNX Runtime. After this rest, every model is as fast
# as in a process of its own. One that is measured alone has nobody to wait for.
REST = 0.010
SETTLE = 2_000_000
ROUNDS = range(10, 1000)
FEW_ROUNDS = 3
PATIENCE = 1.0

# What opening takes at most that counts as a library's import: the next time it goes quicker.
IMPORTS = 10.0
# Models are open twice while they are opened anew.
LARGE = 10**9


@dataclass(frozen=True)
class Sitting:
    """When a sitting begins and ends, and when all of them end, in seconds of measuring."""

    begins: float
    ends: float
    whole: float


def main() -> None:
    """Read plan after plan, measure, tell; what the next plan has too stays open for it."""
    tell, left = teller(only_voice()), dict[str, Session]()
    for line in sys.stdin:
        _measure(plan_from_json(json.loads(line)), left, tell)
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


def _measure(plan: Plan, left: dict[str, Session], tell: Tell) -> None:
    """Measure in sittings: the models are loaded anew for each, to lie elsewhere in memory.

    Args:
        plan: what to measure.
        left: the sessions that are open, by `session_keys`; in the end, those of this plan.
        tell: tells of it.
    """
    scenario, known = scenarios.find(plan.scenario), session_keys(plan)
    for stranger in left.keys() - set(known):
        left.pop(stranger).close()
    ready = {at: left.pop(key) for at, key in enumerate(known) if key in left}
    order = list(range(len(plan.contenders)))
    shuffle = random.Random(plan.seed).shuffle  # noqa: S311  no secret hangs on it
    budget = plan.seconds * len(order)
    length = budget / plan.sittings if _anew(plan, scenario) else budget
    spent, runners = 0.0, dict[int, Runner]()
    while spent < budget and order:
        began = time.perf_counter()
        unread = plan.executed and not runners
        before, runners = runners, all_opened(plan, order, scenario, ready, tell, unread=unread)
        for runner in before.values():
            runner.session.close()
        opening = time.perf_counter() - began
        # To open the models anew takes no longer than to measure them.
        if spent or opening > IMPORTS + length:
            length = max(length, opening)
        rest = budget - spent
        length = rest if rest < 1.5 * length else length
        order = _rounds(plan, runners, Sitting(spent, spent + length, budget), shuffle, tell)
        spent += length
    for at, runner in runners.items():
        if at in order:
            left[known[at]] = runner.session
        else:
            runner.session.close()


def _anew(plan: Plan, scenario: Scenario) -> bool:
    """Whether models are opened again: it pays, there is room, turns can be put together."""
    light = sum(one.artifact.bytes for one in plan.contenders) < LARGE
    return scenario.RESUMES and light and not plan.at_a_glance


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
                turn = _turn(runners[at], done, rest=REST if len(order) > 1 else 0.0)
            except Exception as error:  # the others go on
                tell_failed(plan.contenders[at], at, error, tell)
                order.remove(at)
            else:
                tell("turn", contender=at, **asdict(turn))
    gc.enable()
    return order


def _turn(runner: Runner, number: int, rest: float) -> Turn:
    time.sleep(rest)
    if runner.settle is not None:
        settled = time.perf_counter_ns() + SETTLE
        runner.settle()
        while time.perf_counter_ns() < settled:
            runner.settle()
    before, start = waited(), time.perf_counter_ns()
    turn = runner.turn(number)
    taken = time.perf_counter_ns() - start
    return replace(turn, waited=(waited() - before) / taken)


if __name__ == "__main__":
    main()
