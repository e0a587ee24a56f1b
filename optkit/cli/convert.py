"""optkit convert: from a model file to a verified model of another format or precision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from optkit.cli import options
from optkit.core.errors import Exit


def convert(
    model: options.Model,
    to: Annotated[str, typer.Option(metavar="FORMAT[,FORMAT]", help="What to make: ir, onnx, ...")],
    precision: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="P", help="fp32 (default), fp16, int8, w8a16 or w4a16."),
    ] = None,
    inputs: options.Inputs = None,
    data: options.Data = None,
    labels: options.Labels = None,
    metric: options.Metric = None,
    gate: options.Gates = None,
    output: options.Output = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    save_recipe: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Write the recipe that does the same."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop at the plan.")] = False,
    no_benchmark: Annotated[bool, typer.Option("--no-benchmark", help="Skip timing.")] = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    force: options.Force = False,
    markdown: options.Markdown = None,
    junit: options.Junit = None,
    seed: Annotated[int, typer.Option(help="For anything random.")] = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Convert a model, then check and time what came out."""
    from optkit.api import request
    from optkit.cli.plan import show_plan
    from optkit.cli.reports import reporting
    from optkit.cli.running import run_loaded
    from optkit.console import open_console, print_json
    from optkit.engine.workplace import Wishes
    from optkit.recipe.save import check_place, save

    loaded = request(
        model,
        to=to,
        precision=precision,
        inputs=inputs,
        data=data,
        labels=labels,
        metric=metric,
        gates=gate,
        factory=factory,
        benchmark=not no_benchmark,
        seed=seed,
    )
    wishes = Wishes(trust_code, force, remeasure, not no_cache, verbose)
    console = open_console(json=json, quiet=quiet)
    if save_recipe is not None:
        check_place(loaded, save_recipe)
    exit_code: int = Exit.OK
    if dry_run:
        show_plan(loaded, wishes, console)
    else:
        with reporting(markdown, junit, str(model)) as reports:
            result = run_loaded(loaded, output, wishes, console)
            reports.add(str(model), result.manifest)
        exit_code = result.exit_code
        if json:
            print_json(console, result.manifest)
    if save_recipe is not None:
        save(loaded, save_recipe)
    return exit_code
