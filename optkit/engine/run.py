"""A whole run: from a recipe to an output folder with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optkit.catalogue import find_pass
from optkit.core.artifact import Artifact
from optkit.core.errors import Exit, OptkitError
from optkit.core.events import Listener, silent
from optkit.core.signature import signature_to_json
from optkit.core.writing import to_json
from optkit.engine.baseline.against import network_of, open_baseline, require_fitting, rival
from optkit.engine.baseline.document import Baseline
from optkit.engine.data import Data, looked_over
from optkit.engine.gates import judge as gates
from optkit.engine.gates.measured import measured
from optkit.engine.lock import drift
from optkit.engine.lock.document import FILE as LOCK
from optkit.engine.lock.document import Lock, make_lock, read_lock
from optkit.engine.manifest import Proven, make_manifest, resolve_recipe, step_row
from optkit.engine.output import MANIFEST, check_output, write_output
from optkit.engine.parity import parity_of
from optkit.engine.proof import summarise, validated
from optkit.engine.stage import Workshop, stages
from optkit.engine.steps import Reached, reach, run_route
from optkit.engine.timing import benchmark
from optkit.engine.verify.kept import SUFFIX
from optkit.engine.workplace import DEFAULT, Wishes, open_workshop, workplace
from optkit.planner import Target, baseline, make_plan
from optkit.recipe.dump import dump
from optkit.recipe.load import LoadedRecipe

Documents = Callable[[dict[str, Any]], Mapping[str, str]]
"""Gives further files for the output folder, by name, from the manifest."""


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes:
        manifest: the content of `optkit.json`.
        folder: where the output lies.
        exit_code: OK, or GATED.
    """

    manifest: dict[str, Any]
    folder: Path
    exit_code: Exit


def run(
    loaded: LoadedRecipe,
    output: Path,
    wishes: Wishes = DEFAULT,
    listen: Listener = silent,
    documents: Documents = lambda _: {},
) -> Result:
    """Run a recipe: every step, then validation, benchmark and gates, then the output folder.

    Args:
        loaded: the recipe and where it came from.
        output: the folder to write.
        wishes: what the user says beside the recipe.
        listen: told of progress.
        documents: gives further files for the output folder.

    Raises:
        OptkitError: bad input, or a step failed; then no output is written.
    """
    check_output(output, force=wishes.force, spare=loaded.files())
    known = None if wishes.anew else open_baseline(loaded, wishes.baseline)
    lock = read_lock(wishes.lock) if wishes.lock else None
    with workplace(wishes) as store:
        shop, data = open_workshop(loaded, store, wishes, listen)
        plan = make_plan(loaded, shop.source.artifact.format)
        if known:
            formats = [target.format for target in plan.targets]
            require_fitting(known, shop.source.artifact, formats)
        if lock:
            shop, plan = drift.held_to(lock, loaded.path, shop, data, plan)
        if any(_uses_data(target) for target in plan.targets):
            data = looked_over(data, shop.source, store, shop.listen)
        proofs: list[Proven] = []
        try:
            for target in plan.targets:
                proofs += [_prove(target, shop, data, loaded, wishes, known, lock)]
            made = [proof.reached.artifact for proof in proofs]
            rows = [proof.validation for proof in proofs]
            parity = parity_of(shop, made, rows, data, again=wishes.remeasure)
        except OptkitError as error:
            if error.exit_code is Exit.FAILED:
                error.manifest = make_manifest(loaded, shop.source.artifact, data, proofs, error)
            raise
        manifest = make_manifest(loaded, shop.source.artifact, data, proofs, parity=parity)
        recipe = resolve_recipe(loaded, output, proofs)
        written = {
            MANIFEST: to_json(manifest),
            "recipe.yaml": dump(recipe),
            **documents(manifest),
        }
        write_output(
            output,
            [proof.reached.artifact for proof in proofs],
            written,
            files={proof.artifact["samples"]: proof.samples for proof in proofs},
            sealed=lambda files: {LOCK: to_json(make_lock(manifest, proofs, files))},
        )
    exit_code = Exit.OK if manifest["status"] == "ok" else Exit.GATED
    return Result(manifest, output, exit_code)


def _uses_data(target: Target) -> bool:
    works = (work for route in target.routes for stage in stages(route) for work in stage)
    return any(work.uses_data for work in works)


def _prove(
    target: Target,
    shop: Workshop,
    data: Data,
    loaded: LoadedRecipe,
    wishes: Wishes,
    known: Baseline | None,
    lock: Lock | None,
) -> Proven:
    """Reach a target, then compare, time and judge what was made."""
    reached = reach(target, shop)
    if lock:
        drift.require_locked(lock, loaded.path, reached)
    result, before = reached.artifact, _unlowered(reached, shop)
    summary = summarise(before, shop.store)
    # A source that is in a lower precision itself has no FP32 to be compared with.
    base = before if summary["precision"].keys() <= {"fp32"} else None
    name = result.path.name
    found = summarise(result, shop.store)
    achieved = found["precision"]
    artifact = {
        "path": name,
        "format": result.format,
        "sha256": result.digest,
        "bytes": result.bytes,
        "size_ratio": result.bytes / base.bytes if base else None,
        "precision": {
            "requested": target.precision,
            "achieved": achieved,
            "by_operation": found["by_operation"],
        },
        "network": network_of(summary),
        "samples": f"{name}{SUFFIX}",
        **signature_to_json(result.signature),
    }
    compared, samples = validated(shop, result, data, again=wishes.remeasure)
    wanted, again = loaded.recipe.benchmark, wishes.remeasure
    earlier = rival(known, result, shop.store, wishes.baseline_model) if known else None
    model = earlier.model if earlier else None
    timed = benchmark(shop, base, result, wanted, again=again, earlier=model)
    figures = measured(
        loaded.recipe.gates,
        {
            "steps": [step_row(step) for step in reached.results],
            "artifacts": [artifact],
            "validation": [compared],
            "benchmark": timed,
        },
        name,
    )
    against = gates.Against(
        earlier.past if earlier else None,
        artifact["network"],
        strict=wanted.undecided == "fail",
        waived=wishes.anew,
    )
    rows = [gates.outputs_gate(compared["outputs"])]
    if target.precision != "fp32":
        rows.append(gates.precision_gate(target.precision, achieved))
    for step in reached.results:
        rows += gates.promised(step.name, step.details)
    changed = [find_pass(step.name) for step in reached.results if step.changed]
    rows += gates.judge(loaded.recipe.gates, figures, target.precision, changed, against)
    judged = [{"artifact": name, **row} for row in rows]
    return Proven(reached, artifact, compared, timed, judged, samples)


def _unlowered(reached: Reached, shop: Workshop) -> Artifact:
    """The same route without what lowers the precision: what size and speed are held against."""
    route = baseline(reached.route)
    results = (
        list(reached.results)
        if route == reached.route
        else run_route(route, replace(shop, listen=silent))
    )
    return results[-1].artifact if results else shop.source.artifact
