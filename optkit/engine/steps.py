"""Run the steps of a route: from the store where it can, checked against the contract always."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optkit.catalogue import find_pass
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Context, Pass
from optkit.core.disk import disk_full, is_disk_full
from optkit.core.errors import Exit, OptkitError, bad_input, root_cause
from optkit.core.events import Event, Listener
from optkit.core.hashing import combined_digest, digest
from optkit.core.samples import Samples
from optkit.core.signature import signature_from_json, signature_to_json
from optkit.core.store import Entry, Store
from optkit.core.versions import versions
from optkit.engine.checks import TamperedError, broken, checked, stamps
from optkit.engine.edit import edit_graph
from optkit.engine.source import Source
from optkit.planner import Route, Step, Target


@dataclass(frozen=True)
class Workshop:
    """All that the steps of a run share.

    Attributes:
        store: where finished steps are kept.
        source: the model that the run starts from.
        samples: the calibration samples.
        seed: for anything random.
        listen: told of progress.
    """

    store: Store
    source: Source
    samples: Samples
    seed: int
    listen: Listener


@dataclass(frozen=True)
class StepResult:
    """A finished step, as the manifest tells it."""

    name: str
    options: Mapping[str, Any]
    seconds: float
    cached: bool
    changed: bool
    reason: str | None
    details: Mapping[str, Any]
    artifact: Artifact


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
        results: Sequence[StepResult] = (),
        refused: bool = False,
        refusals: Sequence[Refusal] = (),
        exit_code: Exit = Exit.FAILED,
    ) -> None:
        super().__init__(message, hint, exit_code=exit_code)
        self.cause = cause
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
    for step in route.steps:
        results.append(_run_step(step, artifact, shop, results))
        artifact = results[-1].artifact
    return results


def held(route: Route, shop: Workshop) -> int:
    """How many of the route's first steps the store already holds."""
    artifact = shop.source.artifact
    for index, step in enumerate(route.steps):
        item = find_pass(step.name)
        options = _options(item, step)
        entry = shop.store.find(_key(item, options, artifact, shop))
        if entry is None:
            return index
        artifact = _artifact(entry, item, artifact)
    return len(route.steps)


def _run_step(step: Step, artifact: Artifact, shop: Workshop, done: list[StepResult]) -> StepResult:
    item = find_pass(step.name)
    options = _options(item, step)
    shop.listen(Event("start", step.name, _arrow(step)))
    key = _key(item, options, artifact, shop)
    entry = shop.store.find(key)
    cached = entry is not None
    if entry is None:
        try:
            entry = _build(item, options, artifact, shop, key)
        except Exception as error:
            raise _explain(error, item, shop, done) from error
    result = _result(entry, item, options, artifact, cached=cached)
    shop.listen(Event("end", step.name, _told(result)))
    return result


def _options(item: Pass, step: Step) -> Any:
    return item.options.model_validate(dict(step.options))


def _key(item: Pass, options: Any, artifact: Artifact, shop: Workshop) -> str:
    """All that a step's result hangs on: what its context hands it, and the code that uses it."""
    source = shop.source
    made_by = [item.run.__module__, "optkit.data.synthesise"]
    return digest({
        "pass": item.name,
        "options": options.model_dump(mode="json"),
        "input": [artifact.format, artifact.digest, signature_to_json(artifact.signature)],
        "source": [source.artifact.digest, signature_to_json(source.artifact.signature)],
        "bounds": dict(source.index_bounds),
        "data": shop.samples.digest if item.uses_data else None,
        "seed": shop.seed,
        "versions": versions({*item.needs, "numpy"}),
        "code": own_code(*made_by, *(["optkit.data.read"] if item.uses_data else [])),
    })  # fmt: skip


def _build(item: Pass, options: Any, artifact: Artifact, shop: Workshop, key: str) -> Entry:
    if item.uses_data and not len(shop.samples):
        raise bad_input(
            f"'{item.name}' has no calibration samples: one was given, and it is held back to "
            f"validate on ({shop.samples.source})",
            "give more samples, or a validation set of their own",
        )
    with shop.store.staging() as folder:
        output, scratch = folder / "output", folder / "scratch"
        output.mkdir()
        scratch.mkdir()

        def samples() -> Samples:
            if not item.uses_data:
                raise broken(item, "reads samples without declaring `uses_data`")
            return shop.samples

        context = Context(
            shop.source.artifact,
            output,
            scratch,
            samples,
            shop.source.example,
            shop.seed,
            lambda done, total: shop.listen(Event("progress", item.name, "", done, total)),
            lambda given, rewrite: edit_graph(given, rewrite, output),
        )
        before = stamps(artifact)
        started = time.perf_counter()
        try:
            outcome = item.run(artifact, options, context)
        finally:
            if stamps(artifact) != before:
                raise TamperedError
        seconds = time.perf_counter() - started
        record = {"seconds": seconds, "reason": outcome.reason, "details": dict(outcome.details)}
        record |= checked(item, outcome, artifact, output)
        return shop.store.keep(key, output, record)


def _artifact(entry: Entry, item: Pass, given: Artifact) -> Artifact:
    record = entry.record
    if "format" not in record:
        return given
    files = tuple(entry.folder / name for name in record["files"])
    return Artifact(
        record["format"],
        files[0],
        files,
        signature_from_json(record["signature"]),
        combined_digest({name: entry.digests[name] for name in record["files"]}),
        sum(file.stat().st_size for file in files),
        (*given.lineage, item.name),
    )


def _result(entry: Entry, item: Pass, options: Any, given: Artifact, *, cached: bool) -> StepResult:
    return StepResult(
        item.name,
        options.model_dump(mode="json"),
        entry.record["seconds"],
        cached,
        "format" in entry.record,
        entry.record["reason"],
        entry.record["details"],
        _artifact(entry, item, given),
    )


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
        results=done,
        refused=item.gives is not None and exit_code is Exit.FAILED and not tampered,
        exit_code=exit_code,
    )


def _arrow(step: Step) -> str:
    return f"{step.takes} → {step.gives}" if step.takes != step.gives else step.gives


def _told(result: StepResult) -> str:
    if result.cached:
        return "cached"
    return "done" if result.changed else f"no change: {result.reason}"
