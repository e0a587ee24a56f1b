"""What differs from a lock, told by name: `versions.openvino: 2026.4.0 → 2026.4.1`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input
from optkit.core.machine import machine
from optkit.core.release import VERSION
from optkit.core.versions import version
from optkit.engine.data import Data
from optkit.engine.lock.document import Lock
from optkit.engine.stage import Workshop, stages
from optkit.engine.steps import Reached
from optkit.engine.witness import Decision
from optkit.planner import Plan, Route

_SHOWN = 6


@dataclass(frozen=True)
class Drift:
    """One thing that is not as the lock has it.

    Attributes:
        what: its name in the lock.
        before: as the lock has it.
        now: as it is.
        fix: how to get back.
    """

    what: str
    before: Any
    now: Any
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: {_told(self.before)} → {_told(self.now)}"


def held_to(
    lock: Lock, recipe: Path, shop: Workshop, data: Data, plan: Plan
) -> tuple[Workshop, Plan]:
    """The workshop and the plan of a run that is as its lock has it.

    The routes are those that the lock took, and what measurements decided is not measured again.

    Raises:
        OptkitError: something drifted, all of it told (bad input).
    """
    drifts = list(_of_inputs(lock.content, shop.source.artifact, data, shop.seed))
    plan, more = _pinned(lock.content, plan)
    if drifts or more:
        raise _refusal(lock.path, recipe, [*drifts, *more])
    return replace(shop, decided=_decisions(lock.content)), plan


def require_locked(lock: Lock, recipe: Path, reached: Reached) -> None:
    """Refuse a result that is not what was locked, though all that it was made from is.

    Raises:
        OptkitError: a step gave other bytes, or read other samples (bad input).
    """
    known = lock.content["targets"][reached.target.format]["steps"]
    for at, (step, result) in enumerate(zip(known, reached.results, strict=True)):
        where = f"targets.{reached.target.format}.steps[{at}] {result.name}"
        fix = f"'{result.name}' does not repeat itself here: please report it"
        pairs = (
            (f"{where}: samples", step.get("samples", ""), result.samples),
            (where, step["sha256"], result.artifact.digest),
        )
        for what, before, now in pairs:
            if before != now:
                raise _refusal(lock.path, recipe, [Drift(what, before, now, fix)])


def _of_inputs(lock: Mapping[str, Any], source: Artifact, data: Data, seed: int) -> Iterator[Drift]:
    """What a run starts from: weights, data, seed, libraries, machine."""
    if lock["model"] != source.digest:
        yield Drift("model", lock["model"], source.digest, f"restore {source.path}")
    for name, samples in (("calibration", data.calibration), ("validation", data.validation)):
        before = lock["data"].get(name)
        if before != samples.digest:
            yield Drift(f"data.{name}", before, samples.digest, f"restore {samples.source}")
    if lock["seed"] != seed:
        yield Drift("seed", lock["seed"], seed, f"write seed: {lock['seed']} in the recipe")
    here = machine()
    for name, before in lock["versions"].items():
        now = {"optkit": VERSION, "python": here["python"]}.get(name) or version(name)
        if now != before:
            fix = f"use Python {before}" if name == "python" else f"pip install {name}=={before}"
            yield Drift(f"versions.{name}", before, now, fix)
    for key, before in lock["machine"].items():
        if here.get(key) != before:
            yield Drift(f"machine.{key}", before, here.get(key), "run it on such a machine")


def _pinned(lock: Mapping[str, Any], plan: Plan) -> tuple[Plan, list[Drift]]:
    """The plan with the routes alone that the lock took, and what its steps differ in."""
    drifts, targets = list[Drift](), []
    planned, locked = ([target.format for target in plan.targets], list(lock["targets"]))
    if sorted(planned) != sorted(locked):
        fix = f"write to: [{', '.join(locked)}] in the recipe"
        return plan, [Drift("targets", locked, planned, fix)]
    for target in plan.targets:
        known = lock["targets"][target.format]
        found = [(route, _steps_differ(known, route, target.format)) for route in target.routes]
        route, differ = min(found, key=lambda pair: len(pair[1]))
        if not differ and known["precision"] != target.precision:
            what, before = f"targets.{target.format}.precision", known["precision"]
            fix = f"write precision: {before} in the recipe"
            differ = [Drift(what, before, target.precision, fix)]
        drifts += differ
        targets.append(replace(target, routes=(route,)))
    return (plan if drifts else replace(plan, targets=tuple(targets))), drifts


def _decisions(lock: Mapping[str, Any]) -> dict[str, list[Decision]]:
    """What measurements decided when the lock was written, by the pass that asked."""
    found: dict[str, list[Decision]] = {}
    for target in lock["targets"].values():
        for step in target["steps"]:
            if step.get("decisions"):
                found.setdefault(step["pass"], []).extend(step["decisions"])
    return found


def _refusal(path: Path, recipe: Path, drifts: Sequence[Drift]) -> OptkitError:
    """The error for a run that is not as its lock has it."""
    shown = [str(one) for one in drifts[:_SHOWN]]
    more = [f"and {len(drifts) - _SHOWN} more"] if len(drifts) > _SHOWN else []
    fixes = list(dict.fromkeys(one.fix for one in drifts))[:_SHOWN]
    return bad_input(
        f"not as {path} has it: {'; '.join([*shown, *more])}",
        f"{'; '.join(fixes)}; or lock it anew: optkit run {recipe}, and keep its optkit.lock",
    )


def _steps_differ(known: Mapping[str, Any], route: Route, format_name: str) -> list[Drift]:
    planned = [
        (work.item.name, work.options.model_dump(mode="json"))
        for stage in stages(route)
        for work in stage
    ]
    where = f"targets.{format_name}.steps"
    names = [step["pass"] for step in known["steps"]]
    if names != [name for name, _ in planned]:
        now = [name for name, _ in planned]
        return [Drift(where, names, now, "restore the passes, or the precision, in the recipe")]
    found = []
    for at, (step, (name, options)) in enumerate(zip(known["steps"], planned, strict=True)):
        for key in sorted({*step["options"], *options}):
            before, now = step["options"].get(key), options.get(key)
            if before != now:
                fix = f"write {name}: {{{key}: {_told(before)}}} in the recipe"
                found.append(Drift(f"{where}[{at}] {name}.{key}", before, now, fix))
    return found


def _told(value: Any) -> str:
    """A value as a message shows it: of a digest, enough to tell it from another."""
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "none"
    if isinstance(value, str):
        return f"{value[:12]}{value[64:]}" if len(value) >= 64 else value or "none"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
