"""optkit verify: check an output folder again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optkit.cli import options
from optkit.core.errors import Exit


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What a run wrote.")],
    trust_code: options.Trust = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Check an output folder by itself: its files, its signature, what it answers."""
    from optkit import console as say
    from optkit.console.verify import print_failed, print_verify
    from optkit.engine.verify.check import verify as check
    from optkit.engine.workplace import Wishes

    console = say.open_console(json=json, quiet=quiet)
    found = check(folder, Wishes(trusted=trust_code, cache=not no_cache, verbose=verbose))
    if json:
        say.print_json(console, {"verify": found})
    elif not quiet:
        print_verify(console, found)
    if json or quiet:
        print_failed(found)
    return Exit.OK if found["status"] == "ok" else Exit.GATED
