"""optkit run: run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.cli.reports import Reports
    from optkit.console import Console
    from optkit.engine.run import Wishes
    from optkit.recipe.load import LoadedRecipe


def run(
    recipe: options.Recipe,
    output: options.Output = None,
    set_: options.Set = None,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    force: options.Force = False,
    markdown: options.Markdown = None,
    junit: options.Junit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Run a recipe, then check and time what came out."""
    from optkit.cli.reports import reporting
    from optkit.console import open_console
    from optkit.engine.run import Wishes
    from optkit.recipe.load import load_recipe

    with reporting(markdown, junit, str(recipe)) as reports:
        loaded = load_recipe(recipe, set_ or ())
        wishes = Wishes(trust_code, force, remeasure, not no_cache, verbose)
        console = open_console(json=json, quiet=quiet)
        return run_loaded(loaded, output, wishes, console, reports, str(recipe))


def run_loaded(
    loaded: LoadedRecipe,
    output: Path | None,
    wishes: Wishes,
    console: Console,
    reports: Reports,
    name: str,
) -> int:
    """Run a loaded recipe, show its end and remember it by name; the exit code."""
    from optkit import api
    from optkit import console as say

    with say.progress(console) as listen:
        result = api.run(loaded, output=output, wishes=wishes, listen=listen)
    reports.add(name, result.manifest)
    if console.json:
        say.print_json(console, result.manifest)
    elif not console.quiet:
        say.print_run(console, result.manifest, str(result.folder))
    if console.json or console.quiet:
        say.print_missed(result.manifest["gates"])
    return result.exit_code
