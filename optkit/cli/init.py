"""optkit init: a first recipe for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optkit.cli import options


def init(
    model: options.Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The recipe to write.")
    ] = Path("recipe.yaml"),
    inputs: options.Inputs = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write a first recipe for a model, with a word on each key."""
    from optkit import console as say
    from optkit.core.errors import bad_input
    from optkit.core.signature import parse_input
    from optkit.core.writing import check_folders, write_text
    from optkit.engine.starter import facts_of
    from optkit.engine.workplace import Wishes, workplace
    from optkit.recipe.starter import starter

    check_folders(output)
    if output.is_dir():
        raise bad_input(f"{output} is a folder", f"name a file: -o {output / 'recipe.yaml'}")
    if output.exists() and not force:
        raise bad_input(
            f"{output} is there already", "name another file with -o, or replace it with --force"
        )
    if output.exists() and model.exists() and output.samefile(model):
        raise bad_input(f"the recipe would overwrite {model}", "name another file with -o")
    console = say.open_console(json=json, quiet=quiet)
    with workplace(Wishes(verbose=verbose)) as store:
        facts = facts_of(
            model,
            output,
            store,
            inputs=[parse_input(text) for text in inputs or ()],
            factory=factory,
            trusted=trust_code,
        )
    write_text(output, starter(facts, output.name))
    if json:
        say.print_json(console, {"recipe": str(output), "to": "ir", "precision": facts.precision})
        return
    say.say(console, f"{output} written: {model.name} to ir, {facts.precision or 'as it is'}")
    say.say(console, f"next: optkit run {output}{' --trust-code' if trust_code else ''}")
