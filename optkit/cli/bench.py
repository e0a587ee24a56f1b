"""optkit bench: time models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from optkit.cli import options

if TYPE_CHECKING:
    from optkit.core.errors import OptkitError
    from optkit.core.events import Listener
    from optkit.engine.bench import Bench
    from optkit.engine.workplace import Wishes

    Row = dict[str, Any]

Words = Optional[str]  # noqa: UP045 - typer reads it


def bench(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="The first is the baseline.")
    ],
    device: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--device", "-d", help="CPU, GPU, HETERO:GPU,CPU and so on. Repeatable."),
    ] = None,
    hint: Annotated[
        Words,
        typer.Option(help="latency, throughput, cumulative_throughput, none; by comma."),
    ] = None,
    api: Annotated[Words, typer.Option(help="sync, async; or both by comma.")] = None,
    streams: Annotated[
        Words, typer.Option(help="Inferences side by side; several counts by comma.")
    ] = None,
    threads: Annotated[
        Words, typer.Option(help="Processor threads; every core if left out.")
    ] = None,
    nireq: Annotated[Words, typer.Option(help="Inferences under way at once (async).")] = None,
    batch: Annotated[
        Words, typer.Option(help="Inputs to an inference; several sizes by comma.")
    ] = None,
    infer_precision: Annotated[
        Words, typer.Option(help="f32, bf16, f16: the arithmetic a runtime may use; by comma.")
    ] = None,
    pin: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--pin/--no-pin", help="Bind threads to cores."),
    ] = None,
    mode: Annotated[
        Words, typer.Option(help="torch: eager, frozen, compile, aot; by comma.")
    ] = None,
    compare: Annotated[
        Words,
        typer.Option(help="A usual table: api, hint, streams-batch, precision, or devices (all)."),
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="single-stream, multi-stream, offline, server; several by comma.")
    ] = "single-stream",
    per_query: Annotated[
        int, typer.Option(min=1, help="Inferences that come at once in multi-stream.")
    ] = 8,
    latency_bound_ms: Annotated[
        float, typer.Option(help="What 99 % of the latencies have to keep in server.")
    ] = 100.0,
    inputs: options.Inputs = None,
    data: options.Data = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time spent on each model.")] = 3.0,
    profile: Annotated[
        bool, typer.Option("--profile", help="Tell the time of each operation, and its bound.")
    ] = False,
    raw: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write every row with its samples to this file, as JSON."),
    ] = None,
    report: options.Report = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Time models side by side, with every combination of settings, interleaved in one run."""
    from optkit import console as say
    from optkit.cli.choices import choices, words
    from optkit.core.signature import parse_input
    from optkit.core.writing import check_folders, write_text
    from optkit.engine.bench import Bench, every_choice
    from optkit.engine.timing import without_raw
    from optkit.engine.workplace import Wishes
    from optkit.report.html import render_benchmark

    check_folders(raw, report)
    console = say.open_console(json=json, quiet=quiet)
    chosen = choices(
        compare,
        {
            "hint": hint, "api": api, "streams": streams, "threads": threads, "nireq": nireq,
            "batch": batch, "infer_precision": infer_precision, "mode": mode,
        },
    )  # fmt: skip
    if device:
        chosen["device"] = device
    if pin is not None:
        chosen["pin"] = (pin,)
    wanted = Bench(
        models,
        every_choice(chosen),
        everywhere=compare == "devices" and not device,
        scenarios=words(scenario),
        seconds=seconds,
        per_query=per_query,
        latency_bound_ms=latency_bound_ms,
        inputs=[parse_input(text) for text in inputs or ()],
        data=data,
        factory=factory,
    )
    wishes = Wishes(trusted=trust_code, verbose=verbose)
    with say.progress(console) as listen:
        rows, profiled, stopped = _measured(wanted, wishes, listen, profile=profile)
    further = {"profile": profiled} if profile else {}
    if raw is not None:
        say.write_json(raw, {"benchmark": rows} | further)
    if report is not None:
        write_text(report, render_benchmark(rows, profiled))
    document = {"benchmark": [without_raw(row) for row in rows]} | further
    if json and not stopped:
        say.print_json(console, document)
    elif not json and not quiet:
        say.print_benchmark(console, rows)
        if profile:
            say.print_profile(console, further)
    if stopped:
        raise _interrupted(document)


def _measured(
    wanted: Bench, wishes: Wishes, listen: Listener, *, profile: bool
) -> tuple[list[Row], list[Row], bool]:
    """The benchmark's rows, the profile's, and whether Ctrl-C ended them early."""
    from optkit.benchmark.run import Interrupted
    from optkit.engine.bench import bench_models
    from optkit.engine.profile import profile_models

    try:
        rows = bench_models(wanted, wishes, listen)
    except Interrupted as interrupted:
        return interrupted.rows, [], True
    try:
        return rows, profile_models(wanted, wishes, listen) if profile else [], False
    except Interrupted as interrupted:
        return rows, interrupted.rows, True


def _interrupted(document: dict[str, Any]) -> OptkitError:
    """What was measured is told; to a machine together with the error, in one document."""
    from optkit.core.errors import Exit, OptkitError

    hint = "what was measured until then is told; repeat it for the rest"
    error = OptkitError("interrupted", hint, exit_code=Exit.INTERRUPTED)
    told = {"message": error.message, "hint": hint, "exit": int(error.exit_code)}
    error.manifest = document | {"error": told}
    return error
