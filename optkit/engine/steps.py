"""Run the steps of a route: from the store where it can, checked against the contract always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optkit.core.artifact import Artifact
from optkit.core.contract import Pass
from optkit.core.disk import disk_full, is_disk_full
from optkit.core.errors import Exit, OptkitError, root_cause
from optkit.core.events import Event
from optkit.engine.building import build, results_of
from optkit.engine.checks import TamperedError
from optkit.engine.stage import Stage, StepResult, Workshop, stage_key, stages
from optkit.planner import Route, Step, Target


@dataclass(frozen=True)
class Refusal:
    """A route that the model could not take, and why.

    Attributes:
        route: the route.
        at: the index of the step that refused.
        cause: what it said.
    """

    route: Route
    at: int
    cause: str

    @property
    def step(self) -> Step:
        """The step that refused."""
        return self.route.steps[self.at]


@dataclass(frozen=True)
class Reached:
    """A target that was reached."""

    target: Target
    route: Route
    results: tuple[StepResult, ...]
    refusals: tuple[Refusal, ...]
    artifact: Artifact


class StepError(OptkitError):
    """A step failed, or every route did.

    Attributes:
        cause: what the step said.
        step: its name; empty where every route was refused.
        results: the steps done before it; of several routes, on the one that came furthest.
        refused: whether a conversion merely does not take the model: another route may do.
        refusals: the routes that were tried.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        cause: str = "",
        step: str = "",
        results: Sequence[StepResult] = (),
        refused: bool = False,
        refusals: Sequence[Refusal] = (),
        exit_code: Exit = Exit.FAILED,
    ) -> None:
        super().__init__(message, hint, exit_code=exit_code)
        self.cause = cause
        self.step = step
        self.results = tuple(results)
        self.refused = refused
        self.refusals = tuple(refusals)


def reach(target: Target, shop: Workshop) -> Reached:
    """Take the target's routes in turn until one gets there.

    A conversion that fails refuses the model, and the next route is tried; a transform that fails
    fails the run.

    Raises:
        StepError: a transform failed, or every route was refused.
    """
    refusals: list[Refusal] = []
    done: tuple[StepResult, ...] = ()
    for route in target.routes:
        if any(route.steps[: item.at + 1] == item.route.steps[: item.at + 1] for item in refusals):
            continue
        try:
            results = run_route(route, shop)
        except StepError as error:
            if not error.refused:
                error.refusals = tuple(refusals)
                raise
            refusals.append(Refusal(route, len(error.results), error.cause))
            done = max(done, error.results, key=len)
            shop.listen(Event("note", refusals[-1].step.name, f"refused: {error.cause}"))
            continue
        artifact = results[-1].artifact if results else shop.source.artifact
        return Reached(target, route, tuple(results), tuple(refusals), artifact)
    causes = (f"{item.route.formats}, {item.step.name}: {item.cause}" for item in refusals)
    raise StepError(
        f"no route to {target.format} takes this model ({'; '.join(causes)})",
        "the first cause is the cheapest route's; -v shows the libraries' own log",
        results=done,
        refusals=refusals,
    )


def run_route(route: Route, shop: Workshop) -> list[StepResult]:
    """Run a route's steps one after the other, each on what the one before made.

    Raises:
        StepError: a step failed.
    """
    results: list[StepResult] = []
    artifact = shop.source.artifact
    for stage in stages(route):
        results += run_stage(stage, artifact, shop, results)
        artifact = results[-1].artifact
    return results


def held(route: Route, shop: Workshop) -> int:
    """How many of the route's first steps the store already holds."""
    artifact, count = shop.source.artifact, 0
    for stage in stages(route):
        entry = shop.store.find(stage_key(stage, artifact, shop))
        if entry is None:
            break
        artifact = results_of(entry, stage, artifact, cached=True)[-1].artifact
        count += len(stage)
    return count


def run_stage(
    stage: Stage, artifact: Artifact, shop: Workshop, done: list[StepResult]
) -> list[StepResult]:
    """Run one stage of a route, or take it from the store.

    Args:
        stage: its passes.
        artifact: what they are given.
        shop: what the steps of a run share.
        done: the steps before it, told where this one fails.

    Raises:
        StepError: a step failed.
    """
    key = stage_key(stage, artifact, shop)
    entry = shop.store.find(key)
    if entry is not None:
        results = results_of(entry, stage, artifact, cached=True)
        for work in stage:
            shop.listen(Event("start", work.step.name, work.arrow))
            shop.listen(Event("end", work.step.name, "cached"))
        return results
    try:
        entry = build(stage, artifact, shop, key)
    except Exception as error:
        if len(stage) == 1 or isinstance(error, TamperedError):
            raise _explain(error, stage[-1].item, shop, done) from error
    else:
        return results_of(entry, stage, artifact, cached=False)
    results = list[StepResult]()  # one by one, to keep what is done and to tell whose fault it is
    for work in stage:
        results += run_stage((work,), artifact, shop, [*done, *results])
        artifact = results[-1].artifact
    return results


def _explain(error: Exception, item: Pass, shop: Workshop, done: list[StepResult]) -> OptkitError:
    """What the failure of a step means for the run."""
    if is_disk_full(error, shop.store.root):
        return disk_full(f"step '{item.name}'", shop.store.root)
    known = error if isinstance(error, OptkitError) else None
    exit_code = known.exit_code if known else Exit.FAILED
    cause = known.message.removeprefix(f"{item.name}: ") if known else root_cause(error)
    hint = known.hint if known else "-v shows the library's own log"
    tampered = isinstance(error, TamperedError)
    if tampered:
        hint = f"this is a fault of '{item.name}'; leave it out, and check the model it was given"
    names = ", ".join(result.name for result in done)
    where = f" and kept in {shop.store.root}" if shop.store.lasting else ""
    return StepError(
        f"step '{item.name}' failed: {cause}" + (f" (done{where}: {names})" if done else ""),
        hint,
        cause=cause,
        step=item.name,
        results=done,
        refused=item.gives is not None and exit_code is Exit.FAILED and not tampered,
        exit_code=exit_code,
    )
