"""Take a baseline: from a folder that a run wrote, or by running a recipe."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optkit.core.errors import Exit, OptkitError, bad_input
from optkit.core.events import Listener
from optkit.core.writing import write_text
from optkit.engine.baseline.document import (
    Baseline,
    figures_of,
    read_baseline,
    to_text,
)
from optkit.engine.baseline.take import make_baseline
from optkit.engine.output import read_manifest
from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import LoadedRecipe, load_recipe

Row = dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """A baseline as it is to be written.

    Attributes:
        content: of the file.
        manifest: of the run that it was taken from.
    """

    content: Row
    manifest: Row


def from_folder(folder: Path) -> Taken:
    """The baseline that an output folder amounts to.

    Raises:
        OptkitError: it is none, or its run failed (bad input).
    """
    manifest = read_manifest(folder)
    place = folder / "recipe.yaml"
    gates = load_recipe(place).recipe.gates if place.is_file() else {}
    return _taken(manifest, gates, str(folder))


def from_recipe(loaded: LoadedRecipe, wishes: Wishes, listen: Listener) -> Taken:
    """The baseline that a run of a recipe amounts to; what was measured before is not repeated.

    Raises:
        OptkitError: as a run raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = run(loaded, Path(folder) / "out", replace(wishes, anew=True), listen)
    return _taken(result.manifest, loaded.recipe.gates, str(loaded.path))


def keep(taken: Taken, place: Path, *, force: bool) -> list[Row]:
    """Write a baseline; how its figures differ from those of the file that it replaces.

    Args:
        taken: what to write.
        place: the file.
        force: a file that is broken, or of another model, may be replaced too.

    Returns:
        Rows with artifact, name, at, before and after; before is None for what is new.

    Raises:
        OptkitError: the file is not to be replaced, or cannot be written (bad input).
    """
    before: Baseline | None = None
    if place.exists():
        try:
            before = read_baseline(place)
        except OptkitError:
            if not force:
                raise
    if before and not force:
        _require_same(before, taken.content)
    write_text(place, to_text(taken.content))
    return _changes(before.content if before else {"artifacts": {}}, taken.content)


def _taken(manifest: Row, gates: Any, what: str) -> Taken:
    if manifest["status"] == "failed":
        raise bad_input(f"the run of {what} failed", "take the baseline from one that is good")
    missed = [row["name"] for row in manifest["gates"] if not row["held"]]
    if missed:
        raise OptkitError(
            f"no baseline taken: {what} misses its own gates: {', '.join(missed)}",
            "mend the model, or loosen the gates' max and min in the recipe",
            exit_code=Exit.GATED,
        )
    return Taken(make_baseline(manifest, gates), manifest)


def _require_same(before: Baseline, content: Row) -> None:
    """Refuse to overwrite another model's baseline unasked."""
    known, ours = before.content["model"], content["model"]
    if any(known[key] != ours[key] for key in ("name", "inputs", "outputs")):
        raise bad_input(
            f"{before.path} is the baseline of another model: {known['name']}, "
            f"this is {ours['name']}" if known["name"] != ours["name"] else
            f"{before.path} is the baseline of a model with other inputs or outputs",
            "name another file with -o, or replace it with --force",
        )  # fmt: skip


def _changes(before: Any, after: Row) -> list[Row]:
    rows = []
    for word, artifact in after["artifacts"].items():
        known = before["artifacts"].get(word)
        past = figures_of(known) if known else {}
        for name, figures in figures_of(artifact).items():
            for figure in figures:
                was = next((one.value for one in past.get(name, ()) if one.at == figure.at), None)
                rows.append({
                    "artifact": word, "name": name, "at": figure.at, "before": was,
                    "after": figure.value,
                })  # fmt: skip
    return rows
