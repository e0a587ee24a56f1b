"""Several recipes in one command: one summary, one exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.errors import Exit, OptkitError, bad_input

if TYPE_CHECKING:
    from optkit.cli.reports import Reports, Told
    from optkit.console import Console
    from optkit.engine.workplace import Wishes
    from optkit.recipe.load import LoadedRecipe

# From the best end to the worst: how far it is from a result that holds what it promised.
_WORSE = (Exit.OK, Exit.GATED, Exit.BAD_INPUT, Exit.FAILED, Exit.FAULT)


@dataclass(frozen=True)
class Job:
    """One recipe, the folder that it will write, its lock; or why it cannot be run."""

    path: Path
    folder: Path
    loaded: LoadedRecipe | None = None
    lock: Path | None = None
    refusal: OptkitError | None = None


def run_several(
    recipes: Sequence[Path],
    overrides: Sequence[str],
    output: Path | None,
    wishes: Wishes,
    console: Console,
    reports: Reports,
    *,
    keep_going: bool,
    locked: bool = False,
) -> int:
    """Run recipes one after the other; the exit code is the worst of theirs.

    All are read, and their places looked at, before the first is run. Unless it is to keep going,
    a mistake in one keeps all from running, and what ends badly ends the rest.

    Raises:
        OptkitError: two of them would write the same folder, or one lock is named for all (bad
            input).
    """
    from optkit import console as say

    if wishes.lock:
        raise bad_input(
            f"{wishes.lock} is the lock of one recipe, and there are {len(recipes)}",
            "say --locked: each is held to the lock in its output folder",
        )
    jobs = [_job(path, overrides, output, wishes, locked=locked) for path in recipes]
    _check_collisions(jobs)
    runs: list[dict[str, Any]] = []
    broken = any(job.refusal for job in jobs)
    for job in jobs:
        row: dict[str, Any] = {"recipe": str(job.path), "output": None, "exit": None}
        if job.refusal:
            say.print_error(job.refusal, as_json=False)
            row |= _failure(job.refusal)
        elif not keep_going and (broken or any(run["exit"] for run in runs)):
            row["status"] = "not run"
        else:
            say.say(console, f"\n{job.path}")
            row |= _ran(job, wishes, console)
        runs.append(row)
        reports.add(str(job.path), _reported(row))
    if console.json:
        say.print_json(console, {"runs": runs})
    elif not console.quiet:
        say.print_runs(console, runs)
    return max((run["exit"] or Exit.OK for run in runs), key=_WORSE.index)


def _job(
    path: Path, overrides: Sequence[str], output: Path | None, wishes: Wishes, *, locked: bool
) -> Job:
    from optkit.engine.lock.document import FILE, find_lock
    from optkit.engine.output import check_output
    from optkit.recipe.load import load_recipe

    name = path.resolve().parent.name if path.stem == "recipe" else path.stem
    folder = output / name if output else Path(f"{name}-optkit")
    try:
        loaded = load_recipe(path, overrides)
        check_output(folder, force=wishes.force, spare=(path, *loaded.files()))
        lock = folder / FILE  # one beside the recipe may be that of a neighbour
        held = (lock if lock.is_file() else find_lock(path, folder)) if locked else None
    except OptkitError as error:
        return Job(path, folder, refusal=error)
    return Job(path, folder, loaded, held)


def _check_collisions(jobs: Sequence[Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        place = job.folder.resolve()
        if place in taken:
            raise bad_input(
                f"{taken[place]} and {job.path} would both write {job.folder}",
                "rename one of them, or run them apart, each with -o",
            )
        taken[place] = job.path


def _ran(job: Job, wishes: Wishes, console: Console) -> dict[str, Any]:
    """Run one; what it came to."""
    from optkit import console as say
    from optkit.cli.main import fault
    from optkit.cli.running import run_loaded

    assert job.loaded is not None
    try:
        result = run_loaded(job.loaded, job.folder, replace(wishes, lock=job.lock), console)
    except Exception as error:  # the next recipe is not to suffer from it
        known = error if isinstance(error, OptkitError) else fault(error)
        say.print_error(known, as_json=False)
        return _failure(known)
    return {**result.manifest, "output": str(result.folder), "exit": int(result.exit_code)}


def _failure(error: OptkitError) -> dict[str, Any]:
    told = {"message": error.message, "hint": error.hint, "exit": int(error.exit_code)}
    return {"error": told, **(error.manifest or {}), "exit": int(error.exit_code)}


def _reported(row: dict[str, Any]) -> Told:
    """What a report says of it: what was run; or the error, or nothing, where nothing was."""
    if "steps" in row:
        return row
    error = row.get("error")
    return OptkitError(error["message"], error["hint"]) if error else None
