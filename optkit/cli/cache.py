"""optkit cache: the store of finished steps."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from optkit.cli import options

app = typer.Typer(
    help="Look into the store of finished steps, and make room.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def info(json: options.Json = False) -> None:
    """Show where the store lies and what it holds."""
    from optkit import console as say
    from optkit.core.store import Store, default_root

    console = say.open_console(json=json)
    store = Store(default_root())
    rows = store.entries()
    steps = [row for row in rows if row[0].is_dir()]
    document = {
        "path": str(store.root),
        "steps": len(steps),
        "facts": len(rows) - len(steps),
        "bytes": sum(row[1] for row in rows),
        "limit": store.limit,
    }
    if json:
        say.print_json(console, document)
        return
    shown = [
        ("path", str(store.root)),
        ("steps", str(len(steps))),
        ("remembered figures", str(len(rows) - len(steps))),
        ("size", f"{say.size(sum(row[1] for row in rows))} of at most {say.size(store.limit)}"),
    ]
    say.print_table(console, ("", ""), shown)


@app.command()
def prune(
    to: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="SIZE", help="What may stay, such as 5G; the store's limit if left out."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Drop what was used longest ago."""
    from optkit.core.store import parse_size

    _free(None if to is None else parse_size(to), json)


@app.command()
def clear(json: options.Json = False) -> None:
    """Drop everything that no run is using."""
    _free(0, json)


def _free(limit: int | None, json: bool) -> None:
    from optkit import console as say
    from optkit.core.store import Store, default_root

    console = say.open_console(json=json)
    with Store(default_root()) as store:
        freed = store.prune(limit)
    if json:
        say.print_json(console, {"freed": freed})
    else:
        say.say(console, f"{say.size(freed)} set free")
