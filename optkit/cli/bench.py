"""optkit bench: time models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from optkit.cli import options


def bench(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="The first is the baseline.")
    ],
    device: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--device", "-d", help="A device word, such as CPU. Repeatable."),
    ] = None,
    inputs: options.Inputs = None,
    data: options.Data = None,
    scenario: Annotated[str, typer.Option(help="single-stream or offline.")] = "single-stream",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time spent on each model.")] = 3.0,
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Processor threads; every core if left out."),
    ] = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Time models side by side, interleaved, on each device."""
    from optkit import console as say
    from optkit.core.settings import Settings
    from optkit.core.signature import parse_input
    from optkit.engine.bench import bench_models
    from optkit.engine.run import Wishes

    console = say.open_console(json=json, quiet=quiet)
    with say.progress(console) as listen:
        rows = bench_models(
            models,
            [Settings(device=name, threads=threads) for name in device or ["CPU"]],
            [parse_input(text) for text in inputs or ()],
            data=data,
            scenario=scenario,
            seconds=seconds,
            factory=factory,
            wishes=Wishes(trusted=trust_code, verbose=verbose),
            listen=listen,
        )
    if json:
        say.print_json(console, {"benchmark": rows})
    elif not quiet:
        say.print_benchmark(console, rows)
