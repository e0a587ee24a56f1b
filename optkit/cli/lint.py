"""optkit lint: check recipes without running them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from optkit.cli import options
from optkit.core.errors import Exit


def lint(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="YAML files.")],
    set_: options.Set = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Check recipes: every mistake with its line and its fix."""
    import json as formats

    from optkit.recipe.load import problems_in

    found = [(path, problem) for path in recipes for problem in problems_in(path, set_ or ())]
    if os.environ.get("GITHUB_ACTIONS") and found:
        from optkit.console import annotate

        for path, problem in found:
            annotate(problem.text(str(path)), problem.hint)
    if json:
        rows = [
            {
                "path": problem.file or str(path),
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "hint": problem.hint,
            }
            for path, problem in found
        ]
        typer.echo(formats.dumps({"problems": rows}, indent=2))
    else:
        for path, problem in found:
            typer.echo(problem.text(str(path)), err=True)
            if problem.hint:
                typer.echo(f"  fix: {problem.hint}", err=True)
        if not found and not quiet:
            typer.echo(f"{len(recipes)} recipe{'s' * (len(recipes) > 1)} checked: no mistakes")
    return Exit.BAD_INPUT if found else Exit.OK
