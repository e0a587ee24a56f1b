"""optkit recipe: what can be done to recipe files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from optkit.cli import options

app = typer.Typer(
    help="Bring recipes of older versions up to date.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    pass


@app.command()
def migrate(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="YAML files.")],
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print the new text; leave the file as it is.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Rewrite recipes of older versions in place, comments and layout kept."""
    from optkit import console as say
    from optkit.core.errors import bad_input
    from optkit.core.writing import replace_text
    from optkit.recipe.places import Unreadable
    from optkit.recipe.text.files import read_text
    from optkit.recipe.versions.migrate import migrated

    if stdout and (json or len(recipes) > 1):
        raise bad_input("--stdout prints one recipe and nothing else", "name one, without --json")
    found = []
    for path in recipes:
        text = read_text(path)
        try:
            found.append((path, text, migrated(text)))
        except Unreadable as error:
            raise bad_input(error.problem.text(str(path)), error.problem.hint) from None
    if stdout:
        typer.echo(found[0][2].text, nl=False)
        return
    console = say.open_console(json=json, quiet=quiet)
    rows: list[dict[str, Any]] = []
    for path, text, new in found:
        if new.text != text:
            replace_text(path, new.text)
        rows.append({"path": str(path), "from": new.before, "to": new.after,
                     "changed": new.text != text})  # fmt: skip
    if json:
        say.print_json(console, {"recipes": rows})
        return
    for row in rows:
        told = f"version {row['from']} to {row['to']}" if row["changed"] else "up to date"
        say.say(console, f"{row['path']}: {told}")
