"""optkit lint: check recipes without running them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from optkit.cli import options
from optkit.core.errors import Exit, OptkitError
from optkit.core.writing import check_folders, to_json, write_text


def lint(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="YAML files.")],
    set_: options.Set = None,
    sarif: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it
        typer.Option(metavar="FILE", help="Write the mistakes as SARIF 2.1.0."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Check recipes: every mistake with its line and its fix."""
    import json as formats

    from optkit.recipe.load import problems_in
    from optkit.report.sarif import render

    check_folders(sarif)
    try:
        found = [(path, problem) for path in recipes for problem in problems_in(path, set_ or ())]
    except OptkitError as error:
        if sarif is not None:
            write_text(sarif, to_json(render([], [error])))
        raise
    if os.environ.get("GITHUB_ACTIONS") and found:
        from optkit.console import annotate

        for path, problem in found:
            annotate(problem.text(str(path)), problem.hint)
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
    if sarif is not None:
        write_text(sarif, to_json(render(rows)))
    if json:
        typer.echo(formats.dumps({"problems": rows}, indent=2))
    else:
        for path, problem in found:
            typer.echo(problem.text(str(path)), err=True)
            if problem.hint:
                typer.echo(f"  fix: {problem.hint}", err=True)
        if not found and not quiet:
            typer.echo(f"{len(recipes)} recipe{'s' * (len(recipes) > 1)} checked: no mistakes")
    return Exit.BAD_INPUT if found else Exit.OK
