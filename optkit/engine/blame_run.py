"""Which step of a run brought the loss: `optkit blame` of an output folder or a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optkit.core.errors import bad_input
from optkit.core.events import Listener
from optkit.engine.blame import Asked, look_into
from optkit.engine.data import Data
from optkit.engine.output import MANIFEST
from optkit.engine.proof import validate
from optkit.engine.stage import StepResult, Workshop, stages
from optkit.engine.steps import reach, run_stage
from optkit.engine.workplace import Wishes, open_workshop, workplace
from optkit.planner import Target, make_plan
from optkit.recipe.load import LoadedRecipe, load_recipe
from optkit.recipe.model import Benchmark, Dataset

Row = dict[str, Any]


def is_run(path: Path) -> bool:
    """Whether a path is a run's output folder or a recipe, not a model."""
    return (path / MANIFEST).is_file() or path.suffix.lower() in {".yaml", ".yml"}


def blame_run(
    reference: Path,
    path: Path,
    data: str | None,
    asked: Asked,
    wishes: Wishes,
    listen: Listener,
) -> Row:
    """Take the steps of a run again, from the store where they are kept, and judge each.

    Args:
        reference: the model that the run started from.
        path: its output folder, or a recipe.
        data: samples to judge on; None for the recipe's.
        asked: as in `blame_model`.
        wishes: trust, cache.
        listen: told of progress.

    Returns:
        As `blame_model`, of the last step's model, with a row in `steps` for each step: {pass,
        format, changed, output, cosine, sqnr_db, noise, added, problem}.

    Raises:
        OptkitError: bad input, or a step failed.
    """
    loaded = _recipe(reference, path, data)
    with workplace(wishes) as store:
        shop, found = open_workshop(loaded, store, wishes, listen)
        _check_source(path, reference, shop)
        few = replace(found, validation=found.validation.part(0, asked.samples))
        plan = make_plan(loaded, shop.source.artifact.format)
        documents = []
        for target in plan.targets:
            rows, results = _steps(target, shop, few, wishes)
            if not results:
                raise bad_input(f"the recipe of {path} takes no step", "name a model instead")
            document = look_into(shop, results[-1].artifact, few, asked, wishes)
            documents.append(document | {"steps": rows})
    worst = max(documents, key=lambda one: one["steps"][-1]["noise"])
    return worst | {"verdict": f"{_verdict(worst['steps'])}; {worst['verdict']}"}


def _recipe(reference: Path, path: Path, data: str | None) -> LoadedRecipe:
    """The run's recipe on the reference, untimed."""
    loaded = load_recipe(path / "recipe.yaml" if path.is_dir() else path)
    recipe = loaded.recipe
    model = recipe.model.model_copy(update={"path": str(reference.absolute())})
    changed: dict[str, Any] = {"model": model, "benchmark": Benchmark(enabled=False)}
    if data is not None:
        place = str(Path(data).absolute()) if Path(data).exists() else data
        changed["data"] = recipe.data.model_copy(update={"validation": Dataset(path=place)})
    return replace(loaded, recipe=recipe.model_copy(update=changed))


def _check_source(path: Path, reference: Path, shop: Workshop) -> None:
    if not (path / MANIFEST).is_file():
        return
    try:
        told = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["model"]
        sha, name = told["sha256"], told["path"]
    except (OSError, ValueError, KeyError, TypeError):
        raise bad_input(
            f"cannot read {path / MANIFEST}", "run the recipe again: optkit run RECIPE"
        ) from None
    if sha != shop.source.artifact.digest:
        raise bad_input(
            f"{path} was not made from {reference}, as it is now", f"it was made from {name}"
        )


def _steps(
    target: Target, shop: Workshop, data: Data, wishes: Wishes
) -> tuple[list[Row], list[StepResult]]:
    """A row for each step; those that share a graph apart, where they bring the most loss."""
    reached = reach(target, shop)
    results = list(reached.results)
    rows = _judged(results, shop, data, wishes)
    at = 0
    for stage in stages(reached.route):
        part = slice(at, at + len(stage))
        at += len(stage)
        changed = sum(one.changed for one in results[part])
        if changed > 1 and rows[at - 1]["added"] and _culprit(rows) in rows[part]:
            given = results[part.start - 1].artifact if part.start else shop.source.artifact
            alone: list[StepResult] = []
            for work in stage:
                alone += run_stage((work,), given, shop, [*results[: part.start], *alone])
                given = alone[-1].artifact
            return _judged([*results[: part.start], *alone, *results[at:]], shop, data,
                           wishes), results  # fmt: skip
    return rows, results


def _judged(results: Sequence[StepResult], shop: Workshop, data: Data, wishes: Wishes) -> list[Row]:
    """How far the outputs are from the source's after each step."""
    rows: list[Row] = []
    known: dict[str, Row] = {shop.source.artifact.digest: {"noise": 0.0}}
    before = 0.0
    for result in results:
        digest = result.artifact.digest
        if digest not in known:
            outputs = validate(shop, result.artifact, data, again=wishes.remeasure)["outputs"]
            known[digest] = max(map(_output, outputs), key=lambda row: row["noise"])
        row = {"output": None, "cosine": 1.0, "sqnr_db": None, "problem": None, **known[digest]}
        rows.append({
            "pass": result.name,
            "format": result.artifact.format,
            "changed": result.changed,
            **row,
            "added": max(0.0, row["noise"] - before),
        })
        before = row["noise"]
    return rows


def _output(row: Row) -> Row:
    """One output with its share of noise: 0 is exact, 1 is lost."""
    noise = 1.0 if row["problem"] else 0.0
    if not noise and row["sqnr_db"] is not None:
        noise = 1 / (1 + 10 ** (row["sqnr_db"] / 10))
    told = {key: row[key] for key in ("cosine", "sqnr_db", "problem")}
    return {"output": row["name"], **told, "noise": noise}


def _culprit(rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: row["added"])


def _verdict(rows: Sequence[Row]) -> str:
    worst = _culprit(rows)
    if not worst["added"]:
        return "no step changes the outputs"
    if worst["problem"]:
        return f"step {worst['pass']} brings the loss: output {worst['output']}: {worst['problem']}"
    at = rows.index(worst)
    before = rows[at - 1]["sqnr_db"] if at else None
    was = "exact" if before is None else f"{before:.1f} dB"
    return (
        f"step {worst['pass']} brings most of the loss: SQNR {worst['sqnr_db']:.1f} dB after it, "
        f"{was} before"
    )
