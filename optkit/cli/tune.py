"""optkit tune: search passes and runtime settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.recipe.load import LoadedRecipe
    from optkit.recipe.tuning import Tune


def tune(
    recipe: options.Recipe,
    objective: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it
        typer.Option(metavar="WORD", help="latency (default) or throughput."),
    ] = None,
    constraint: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="BOUND", help="What must hold: 'latency_p95_ms<=10'. Repeatable."),
    ] = None,
    seconds: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="How long each of the last ones is measured; 5 if left out."),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output", "-o", metavar="FILE", help="The recipe to write; ./NAME-tuned.yaml."
        ),
    ] = None,
    report: options.Report = None,
    set_: options.Set = None,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Search what can be made of a model, and how to run it, for the best within constraints."""
    from optkit import console as say
    from optkit.console.tune import print_tune
    from optkit.core.errors import bad_input
    from optkit.core.writing import check_folders, write_text
    from optkit.engine.workplace import Wishes
    from optkit.recipe.load import load_recipe
    from optkit.recipe.save import check_place
    from optkit.report.html import render_search
    from optkit.tune.reproduce import write_recipe
    from optkit.tune.search import tune as find

    loaded = load_recipe(recipe, set_ or ())
    wanted = _wanted(loaded, objective, constraint, seconds)
    place = output or Path(f"{recipe.stem}-tuned.yaml")
    if place.resolve() == recipe.resolve():
        raise bad_input(f"the result would overwrite {recipe}", "name another file with -o")
    check_place(loaded, place)
    check_folders(report)
    console = say.open_console(json=json, quiet=quiet)
    wishes = Wishes(trust_code, remeasure=remeasure, cache=not no_cache, verbose=verbose)
    with say.progress(console) as listen:
        found = find(loaded, wanted, wishes, listen)
    if found.recipe is not None:
        write_recipe(found.recipe, place, found.document["tune"]["why"])
    document = {"tune": {**found.document["tune"], "recipe": str(place) if found.recipe else None}}
    if report is not None:
        write_text(report, render_search(document["tune"]))
    if json:
        say.print_json(console, document)
    elif not quiet:
        print_tune(console, document)
    return found.exit_code


def _wanted(
    loaded: LoadedRecipe,
    objective: str | None,
    constraint: list[str] | None,
    seconds: float | None,
) -> Tune:
    """The recipe's `tune` section, with what the command line says over it."""
    from math import isfinite
    from typing import get_args

    from optkit.core.errors import bad_input
    from optkit.recipe.tuning import Objective, parse_constraint

    wanted = loaded.recipe.tune
    update: dict[str, object] = {}
    if objective is not None:
        if objective not in get_args(Objective):
            raise bad_input(
                f"--objective: there is no '{objective}'",
                f"one of {', '.join(get_args(Objective))}",
            )
        update["objective"] = objective
    if seconds is not None:
        if not (isfinite(seconds) and seconds > 0):
            raise bad_input(f"--seconds is {seconds:g}", "give a number above 0")
        update["seconds"] = seconds
    if constraint:
        told = dict(map(parse_constraint, constraint))
        update["constraints"] = {**wanted.constraints, **told}
    return wanted.model_copy(update=update)
