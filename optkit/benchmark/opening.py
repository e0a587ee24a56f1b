"""Opening models in the measuring process: loaded, warm, ready for their turns."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optkit.benchmark.scenarios import Load, Scenario, Turn
from optkit.benchmark.spec import Contender, Plan, plan_to_json, read_inputs
from optkit.benchmark.warmup import warm_up
from optkit.core.contract import Session
from optkit.core.errors import OptkitError, root_cause
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

# A turn that takes longer, in nanoseconds, hardly notices at a glance whose the caches were.
LONG = 50_000_000

Tell = Callable[..., None]


@dataclass(frozen=True)
class Runner:
    """A model that is ready to be measured; `settle` is None where its turns need none."""

    session: Session
    load: Load
    turn: Callable[[int], Turn]
    settle: Callable[[], object] | None


def session_keys(plan: Plan) -> list[str]:
    """What a session of each contender is known by, so that another plan finds it again."""
    return [json.dumps([one, plan.scenario]) for one in plan_to_json(plan)["contenders"]]


def all_opened(
    plan: Plan,
    order: list[int],
    scenario: Scenario,
    left: dict[int, Session],
    tell: Tell,
    *,
    unread: bool,
) -> dict[int, Runner]:
    """The models that can be loaded, by their place in the plan.

    Args:
        plan: what is measured.
        order: places in the plan.
        scenario: that of the plan.
        left: sessions by place, which are taken from here instead of being opened.
        tell: tells of it.
        unread: whether compiled graphs are read along the way.
    """
    runners: dict[int, Runner] = {}
    for at in order:
        try:
            session = left.pop(at, None)
            runners[at] = _opened(plan, at, scenario, session, tell, unread=unread)
        except Exception as error:  # the others go on
            tell_failed(plan.contenders[at], at, error, tell)
    return runners


def _opened(
    plan: Plan, at: int, scenario: Scenario, session: Session | None, tell: Tell, *, unread: bool
) -> Runner:
    contender = plan.contenders[at]
    tell("at", contender=at, doing="loading")
    settings = settled(contender.settings, scenario)
    runtime = importlib.import_module(f"optkit.runtimes.{contender.runtime}")
    arrays = batched(read_inputs(contender.inputs), settings.batch)
    session = session or runtime.open_session(contender.artifact, settings)
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
    return Runner(session, load, turn, settle if settles else None)


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


def tell_failed(contender: Contender, at: int, error: Exception, tell: Tell) -> None:
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
