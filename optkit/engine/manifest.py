"""The manifest and the resolved recipe: what is written down of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.catalogue import find_pass
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError
from optkit.core.machine import machine
from optkit.core.release import VERSION
from optkit.core.samples import Samples
from optkit.core.signature import signature_to_json
from optkit.core.versions import versions
from optkit.engine.data import Data
from optkit.engine.stage import StepResult
from optkit.engine.steps import Reached, Refusal, StepError
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import PassSpec, Recipe
from optkit.recipe.relocate import relocated

SCHEMA = "optkit/manifest/1"

Row = dict[str, Any]


@dataclass(frozen=True)
class Proven:
    """A target that was reached, with its rows for the manifest.

    `samples` is the file of what `optkit verify` checks the artifact by.
    """

    reached: Reached
    artifact: Row
    validation: Row
    benchmark: list[Row]
    gates: list[Row]
    samples: Path


def make_manifest(
    loaded: LoadedRecipe,
    source: Artifact,
    data: Data,
    proofs: Sequence[Proven],
    failure: OptkitError | None = None,
    parity: Row | None = None,
) -> Row:
    """The content of `optkit.json`.

    Args:
        loaded: the recipe.
        source: the model that the run started from.
        data: what it was calibrated and validated on.
        proofs: the targets that were reached.
        failure: what ended the run; then `error` tells of it, and the steps done are there.
        parity: several targets held against each other; None of a single one.
    """
    rows = [row for proof in proofs for row in proof.gates]
    steps = [step for proof in proofs for step in proof.reached.results]
    refusals = [item for proof in proofs for item in proof.reached.refusals]
    if isinstance(failure, StepError):
        steps += failure.results
        refusals += failure.refusals
    manifest = {
        "schema": SCHEMA,
        "status": "ok" if all(row["held"] for row in rows) else "gated",
        "model": {
            "path": loaded.recipe.model.path,
            "format": source.format,
            "sha256": source.digest,
            "bytes": source.bytes,
            **signature_to_json(source.signature),
        },
        "data": {
            "calibration": _samples(data.calibration),
            "validation": _samples(data.validation),
            "synthesised": _synthesised(data, steps),
            "warnings": list(data.warnings),
        },
        "seed": loaded.recipe.seed,
        "routes": {
            "taken": [proof.reached.route.formats for proof in proofs],
            "refused": [_refusal(item) for item in refusals],
        },
        "steps": [step_row(step) for step in steps],
        "artifacts": [proof.artifact for proof in proofs],
        "validation": [proof.validation for proof in proofs],
        "parity": parity,
        "benchmark": [row for proof in proofs for row in proof.benchmark],
        "gates": rows,
        "environment": {"optkit": VERSION, "versions": used_versions(steps), **machine()},
    }
    if failure is None:
        return manifest
    told: Row = {"message": failure.message, "hint": failure.hint, "exit": int(failure.exit_code)}
    if isinstance(failure, StepError) and failure.step:
        told["step"] = failure.step
    return manifest | {"status": "failed", "error": told}


def resolve_recipe(loaded: LoadedRecipe, folder: Path, proofs: Sequence[Proven]) -> Recipe:
    """The recipe with its passes spelled out and its paths as seen from `folder`."""
    recipe = relocated(loaded, folder)
    if len(proofs) > 1:  # each target has steps of its own; the planner finds them again
        return recipe
    (proof,) = proofs
    steps = tuple(
        PassSpec(name=step.name, options=dict(step.options)) for step in proof.reached.results
    )
    goal = (proof.reached.artifact.format,)
    return recipe.model_copy(update={"passes": steps, "precision": None, "to": goal})


def step_row(step: StepResult) -> Row:
    """A step as the manifest tells it."""
    made = step.artifact
    return {
        "pass": step.name,
        "options": dict(step.options),
        "seconds": step.seconds,
        "cached": step.cached,
        "changed": step.changed,
        "reason": step.reason,
        "details": dict(step.details),
        "artifact": {"format": made.format, "sha256": made.digest, "bytes": made.bytes},
    }


def _refusal(refusal: Refusal) -> Row:
    return {
        "route": refusal.route.formats,
        "pass": refusal.step.name,
        "cause": refusal.cause,
    }


def _synthesised(data: Data, steps: Sequence[StepResult]) -> list[str]:
    """What of the run rests on inputs that were made up."""
    used = {"validation": data.validation}
    if any(_reads_data(step) for step in steps):
        used = {"calibration": data.calibration, **used}
    return [name for name, samples in used.items() if samples.origin == "synthesised"]


def _reads_data(step: StepResult) -> bool:
    item = find_pass(step.name)
    return item.reads_data(item.options.model_validate(dict(step.options)))


def _samples(samples: Samples) -> Row:
    return {
        "origin": samples.origin,
        "source": samples.source,
        "samples": samples.count,
        "sha256": samples.digest,
    }


def used_versions(steps: Sequence[StepResult]) -> dict[str, str | None]:
    """The versions of the libraries that steps need."""
    return versions({"numpy", *(need for step in steps for need in find_pass(step.name).needs)})
