"""optkit baseline: what gates hold later runs against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.console import Console
    from optkit.engine.baseline.update import Taken
    from optkit.engine.workplace import Wishes

app = typer.Typer(
    help="Take and look at baselines: what gates hold later runs against.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DEFAULT = Path("baseline.json")


@app.command()
def update(
    source: Annotated[
        Path, typer.Argument(metavar="DIR|RECIPE", help="What a run wrote, or a recipe to run.")
    ],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file to write; that of the recipe's baseline key, or ./baseline.json.",
        ),
    ] = None,
    set_: options.Set = None,
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    remeasure: options.Remeasure = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a broken file, or another model's.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the baseline: the figures of a run that is good, to be committed."""
    from optkit import console as say
    from optkit.console.baseline import print_update
    from optkit.core.writing import check_folders
    from optkit.engine.baseline.update import keep
    from optkit.engine.workplace import Wishes

    check_folders(output)
    console = say.open_console(json=json, quiet=quiet)
    wishes = Wishes(trust_code, remeasure=remeasure, cache=not no_cache, verbose=verbose)
    taken, place = _take(source, output, set_ or [], wishes, console)
    changes = keep(taken, place, force=force)
    if json:
        say.print_json(console, {"baseline": taken.content, "path": str(place), "changes": changes})
    elif not quiet:
        print_update(console, changes, str(place))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The baseline.")] = DEFAULT,
    json: options.Json = False,
) -> None:
    """Show what a baseline holds, and whether its times can be compared with this machine's."""
    from optkit import console as say
    from optkit.console.baseline import print_baseline
    from optkit.engine.baseline.document import read_baseline
    from optkit.engine.baseline.identity import elsewhere

    baseline = read_baseline(file)
    console = say.open_console(json=json)
    if json:
        say.print_json(console, {**baseline.content, "elsewhere": elsewhere(baseline) or None})
    else:
        print_baseline(console, baseline.content, elsewhere(baseline))


def _take(
    source: Path, output: Path | None, overrides: list[str], wishes: Wishes, console: Console
) -> tuple[Taken, Path]:
    """The baseline, and the file that it goes to."""
    from optkit import console as say
    from optkit.core.errors import bad_input
    from optkit.engine.baseline.update import from_folder, from_recipe
    from optkit.recipe.load import load_recipe

    if source.is_dir():
        if overrides:
            raise bad_input("--set changes a recipe, and this is a folder", "name the recipe")
        return from_folder(source), output or DEFAULT
    loaded = load_recipe(source, overrides)
    own = loaded.recipe.baseline
    with say.progress(console) as listen:
        taken = from_recipe(loaded, wishes, listen)
    return taken, output or (loaded.resolve(own) if own else DEFAULT)
