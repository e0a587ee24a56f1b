"""optkit cache: the store of finished steps."""

from __future__ import annotations

import re
from typing import Annotated, Optional

import typer

from optkit.cli import options
from optkit.core.errors import bad_input

app = typer.Typer(
    help="Look into the store of finished steps, and make room.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


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
    _free(None if to is None else _parse_size(to), json)


@app.command()
def clear(json: options.Json = False) -> None:
    """Drop everything that no run is using."""
    _free(0, json)


def _free(limit: int | None, json: bool) -> None:
    from optkit import console as say
    from optkit.core.store import Store, default_root

    console = say.open_console(json=json)
    freed = Store(default_root()).prune(limit)
    if json:
        say.print_json(console, {"freed": freed})
    else:
        say.say(console, f"{say.size(freed)} set free")


def _parse_size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", text.strip().lower())
    if match is None:
        raise bad_input(f"'{text}' is no size", "write it as 500M or 5G")
    return int(float(match[1]) * _UNITS[match[2]])
