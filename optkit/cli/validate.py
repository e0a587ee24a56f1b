"""optkit validate: hold a model against its reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from optkit.cli import options
from optkit.core.errors import Exit


def validate(
    model: options.Model,
    reference: Annotated[Path, typer.Option(help="The model that it should equal.")],
    inputs: options.Inputs = None,
    data: options.Data = None,
    labels: options.Labels = None,
    metric: options.Metric = None,
    gate: options.Gates = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    junit: options.Junit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Compare a model's outputs with a reference's on the same inputs."""
    from optkit import console as say
    from optkit.api import request
    from optkit.cli.reports import reporting
    from optkit.engine.comparison import check_model
    from optkit.engine.workplace import Wishes

    with reporting(None, junit, str(model)) as reports:
        loaded = request(
            reference,
            inputs=inputs,
            data=data,
            labels=labels,
            metric=metric,
            gates=gate,
            factory=factory,
            calibrates=False,
        )
        wishes = Wishes(trust_code, remeasure=remeasure, cache=not no_cache, verbose=verbose)
        console = say.open_console(json=json, quiet=quiet)
        with say.progress(console) as listen:
            document: dict[str, Any] = check_model(loaded, model, wishes, listen)
        rows = [{"artifact": model.name, **row} for row in document["gates"]]
        reports.add(str(model), {"gates": rows})
    if json:
        say.print_json(console, document)
    elif not quiet:
        say.print_check(console, document)
    return Exit.OK if document["status"] == "ok" else Exit.GATED
