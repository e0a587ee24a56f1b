"""optkit run: run a recipe, or several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from optkit.cli import options


def run(
    recipes: Annotated[
        list[Path], typer.Argument(metavar="RECIPE...", help="Recipes, YAML files.")
    ],
    output: options.Output = None,
    set_: options.Set = None,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Run the recipes left after one that failed."),
    ] = False,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    baseline: options.Baseline = None,
    baseline_model: options.BaselineModel = None,
    locked: options.Locked = False,
    lock: options.Lock = None,
    force: options.Force = False,
    markdown: options.Markdown = None,
    junit: options.Junit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Run a recipe, or several, then check and time what came out."""
    from optkit.api import output_folder
    from optkit.cli.reports import reporting
    from optkit.cli.running import run_loaded
    from optkit.cli.several import run_several
    from optkit.console import open_console, print_json
    from optkit.engine.lock.document import find_lock
    from optkit.engine.workplace import Wishes
    from optkit.recipe.load import load_recipe

    wishes = Wishes(
        trust_code, force, remeasure, not no_cache, verbose, baseline, baseline_model, lock
    )
    console = open_console(json=json, quiet=quiet)
    with reporting(markdown, junit, ", ".join(map(str, recipes))) as reports:
        if len(recipes) > 1:
            return run_several(
                recipes, set_ or (), output, wishes, console, reports,
                keep_going=keep_going, locked=locked,
            )  # fmt: skip
        (recipe,) = recipes
        loaded = load_recipe(recipe, set_ or ())
        if locked and lock is None:
            wishes = replace(wishes, lock=find_lock(recipe, output or output_folder(loaded)))
        result = run_loaded(loaded, output, wishes, console)
        reports.add(str(recipe), result.manifest)
    if json:
        print_json(console, result.manifest)
    return result.exit_code
