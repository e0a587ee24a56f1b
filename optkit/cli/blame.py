"""optkit blame: which tensor first goes wrong, and which step brought the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from optkit.cli import options
from optkit.core.errors import Exit, bad_input


def blame(
    reference: Annotated[
        Path, typer.Argument(metavar="REF", help="The model that is right, in any format.")
    ],
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="The model in question; of an output folder or a recipe, each step too.",
        ),
    ],
    inputs: options.Inputs = None,
    data: options.Data = None,
    samples: Annotated[int, typer.Option(help="How many samples are looked at, at most.")] = 16,
    min_cosine: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            help="What a tensor must reach; by default what the model's precision allows."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="How many tensors the table shows.")] = 10,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Find the tensor that first goes wrong, and the step that brought it."""
    from optkit import console as say
    from optkit.api import request
    from optkit.engine.blame import Asked, blame_model
    from optkit.engine.blame_run import blame_run, is_run
    from optkit.engine.workplace import Wishes

    asked = Asked(samples, min_cosine)
    wishes = Wishes(trusted=trust_code, remeasure=remeasure, cache=not no_cache, verbose=verbose)
    console = say.open_console(json=json, quiet=quiet)
    document: dict[str, Any]
    if is_run(model):
        if inputs or factory:
            raise bad_input(
                f"{model} has inputs and a factory of its own",
                "leave --input and --factory out, or name a model instead",
            )
        with say.progress(console) as listen:
            document = blame_run(reference, model, data, asked, wishes, listen)
    else:
        loaded = request(reference, inputs=inputs, data=data, factory=factory, calibrates=False)
        with say.progress(console) as listen:
            document = blame_model(loaded, model, asked, wishes, listen)
    if json:
        say.print_json(console, document)
    elif not quiet:
        say.print_blame(console, document, top)
    return Exit.OK
