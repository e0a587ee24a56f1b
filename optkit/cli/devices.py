"""optkit devices: what there is to run on, and what it can do at most."""

from __future__ import annotations

from typing import Annotated

import typer

from optkit.cli import options


def devices(
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure peaks that are not known yet.")
    ] = True,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help="Measure peaks anew even where known.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show processor and devices, their measured peaks, and what INT8 can gain."""
    from optkit import console as say
    from optkit.core.errors import bad_input
    from optkit.core.store import Store, default_root
    from optkit.engine import devices as engine

    if remeasure and not measure:
        raise bad_input("--remeasure and --no-measure contradict each other", "leave one out")
    console = say.open_console(json=json, quiet=quiet)
    with Store(default_root()) as store, say.progress(console) as listen:
        document = engine.devices(store, measure=measure, again=remeasure, listen=listen)
    if json:
        say.print_json(console, document)
    elif not quiet:
        say.print_devices(console, document)
