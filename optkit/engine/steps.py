"""Run the steps of a route: from the store where it can, checked against the contract always."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.catalogue import find_format, find_pass
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Context, Outcome, Pass
from optkit.core.errors import Exit, OptkitError, bad_input, root_cause
from optkit.core.events import Event, Listener
from optkit.core.hashing import digest, files_digest
from optkit.core.samples import Samples
from optkit.core.signature import Signature, signature_from_json, signature_to_json
from optkit.core.store import Entry, Store
from optkit.core.versions import versions
from optkit.engine.source import Source
from optkit.plan import Route, Step, Target

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
    """A route that the model could not take, and why."""

    route: Route
    step: Step
    cause: str


@dataclass(frozen=True)
class Reached:
    """A target that was reached."""

    target: Target
    route: Route
    results: tuple[StepResult, ...]
    refusals: tuple[Refusal, ...]
    artifact: Artifact


def reach(target: Target, shop: Workshop) -> Reached:
    """Take the target's routes in turn until one gets there.

    A conversion that fails refuses the model, and the next route is tried; a transform that fails
    fails the run.

    Raises:
        OptkitError: a transform failed, or every route was refused.
    """
    refusals: list[Refusal] = []
    for route in target.routes:
        if any(_shares_failure(route, refusal) for refusal in refusals):
            continue
        try:
            results = run_route(route, shop)
        except _RefusedError as refused:
            refusals.append(Refusal(route, refused.step, refused.cause))
            shop.listen(Event("note", refused.step.name, f"refused: {refused.cause}"))
            continue
        artifact = results[-1].artifact if results else shop.source.artifact
        return Reached(target, route, tuple(results), tuple(refusals), artifact)
    raise OptkitError(
        f"no route to {target.format} takes this model: "
        + "; ".join(f"{item.step.name}: {item.cause}" for item in refusals),
        "the first cause is the cheapest route's; -v shows the libraries' own log",
    )


def run_route(route: Route, shop: Workshop) -> list[StepResult]:
    """Run a route's steps one after the other, each on what the one before made."""
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


class _RefusedError(Exception):
    """A conversion does not take the model; the next route may."""

    def __init__(self, step: Step, cause: str) -> None:
        super().__init__(cause)
        self.step = step
        self.cause = cause


def _shares_failure(route: Route, refusal: Refusal) -> bool:
    failed = refusal.route.steps.index(refusal.step) + 1
    return route.steps[:failed] == refusal.route.steps[:failed]


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
            raise _explain(error, step, item, shop, done) from error
    result = _result(entry, item, options, artifact, cached=cached)
    shop.listen(Event("end", step.name, _told(result)))
    return result


def _options(item: Pass, step: Step) -> Any:
    return item.options.model_validate(dict(step.options))


def _key(item: Pass, options: Any, artifact: Artifact, shop: Workshop) -> str:
    return digest({
        "pass": item.name,
        "options": options.model_dump(mode="json"),
        "input": artifact.digest,
        "format": artifact.format,
        "signature": signature_to_json(artifact.signature),
        "bounds": dict(shop.source.index_bounds),
        "data": shop.samples.digest if item.uses_data else None,
        "versions": versions(item.needs),
        "code": own_code(item.run.__module__),
        "seed": shop.seed,
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
        context = Context(
            shop.source.artifact,
            output,
            scratch,
            lambda: shop.samples,
            shop.source.example,
            shop.seed,
            lambda done, total: shop.listen(Event("progress", item.name, "", done, total)),
        )
        before = _stamps(artifact)
        started = time.perf_counter()
        outcome = item.run(artifact, options, context)
        seconds = time.perf_counter() - started
        if _stamps(artifact) != before:
            raise _broken(item, "changed its input")
        record = {"seconds": seconds, "reason": outcome.reason, "details": dict(outcome.details)}
        if outcome.path is not None:
            record |= _checked(item, outcome, artifact)
        return shop.store.keep(key, output, record)


def _checked(item: Pass, outcome: Outcome, artifact: Artifact) -> dict[str, Any]:
    """What the engine demands of a pass's result, whatever the pass says of it."""
    assert outcome.path is not None
    name = item.gives or artifact.format
    format_ = find_format(name)
    if not outcome.path.exists() or not format_.recognise(outcome.path):
        raise _broken(item, f"wrote no {name} model")
    expected = outcome.signature if item.changes_signature else None
    expected = expected or artifact.signature
    files = format_.files(outcome.path)
    made = Artifact(name, outcome.path, files, expected, "", 0)
    _same_signature(item, expected, format_.signature(made))
    return {
        "format": name,
        "path": outcome.path.name,
        "files": [file.relative_to(outcome.path.parent).as_posix() for file in files],
        "digest": files_digest(files, outcome.path.parent),
        "bytes": sum(file.stat().st_size for file in files),
        "signature": signature_to_json(expected),
    }


def _same_signature(item: Pass, expected: Signature, found: Signature) -> None:
    """Names, order and ranks as expected, as far as the format tells them."""
    sides = (("input", expected.inputs, found.inputs), ("output", expected.outputs, found.outputs))
    for side, wanted, got in sides:
        if [spec.name for spec in wanted] != [spec.name for spec in got]:
            names = ", ".join(spec.name for spec in wanted), ", ".join(spec.name for spec in got)
            raise _broken(item, f"changed the {side}s from ({names[0]}) to ({names[1]})")
        for want, have in zip(wanted, got, strict=True):
            if want.shape and have.shape and len(want.shape) != len(have.shape):
                raise _broken(item, f"changed the rank of {side} '{want.name}'")


def _broken(item: Pass, what: str) -> OptkitError:
    return OptkitError(f"the pass {what}", f"this is a fault of '{item.name}'; leave it out")


def _artifact(entry: Entry, item: Pass, given: Artifact) -> Artifact:
    record = entry.record
    if "path" not in record:
        return given
    return Artifact(
        record["format"],
        entry.folder / record["path"],
        tuple(entry.folder / name for name in record["files"]),
        signature_from_json(record["signature"]),
        record["digest"],
        record["bytes"],
        (*given.lineage, item.name),
    )


def _result(entry: Entry, item: Pass, options: Any, given: Artifact, *, cached: bool) -> StepResult:
    return StepResult(
        item.name,
        options.model_dump(mode="json"),
        entry.record["seconds"],
        cached,
        "path" in entry.record,
        entry.record["reason"],
        entry.record["details"],
        _artifact(entry, item, given),
    )


def _explain(
    error: Exception, step: Step, item: Pass, shop: Workshop, done: list[StepResult]
) -> Exception:
    """What the failure of a step means for the run."""
    if is_disk_full(error, shop.store.root):
        return disk_full(f"step '{item.name}'", shop.store.root)
    message = error.message if isinstance(error, OptkitError) else root_cause(error)
    if isinstance(error, OptkitError) and error.exit_code is Exit.BAD_INPUT:
        return error
    if item.gives is not None:
        return _RefusedError(step, message)
    hint = error.hint if isinstance(error, OptkitError) else "-v shows the library's own log"
    kept = f"; finished and kept: {', '.join(result.name for result in done)}" if done else ""
    return OptkitError(f"step '{item.name}' failed: {message}{kept}", hint)


def is_disk_full(error: BaseException, place: Path) -> bool:
    """Whether a failure comes of a full disk; native libraries do not say so."""
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return True
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free < 2**20


def disk_full(doing: str, place: Path) -> OptkitError:
    """The error for a disk that filled up."""
    return OptkitError(
        f"no space left on the disk of {place} ({doing})",
        "free some space (optkit cache prune), or set OPTKIT_CACHE_DIR to another disk",
    )


def _stamps(artifact: Artifact) -> list[tuple[int, int]]:
    return [(file.stat().st_size, file.stat().st_mtime_ns) for file in artifact.files]


def _arrow(step: Step) -> str:
    return f"{step.takes} → {step.gives}" if step.takes != step.gives else step.gives


def _told(result: StepResult) -> str:
    if result.cached:
        return "cached"
    return "done" if result.changed else f"no change: {result.reason}"
