"""All that a person sees: progress, tables, errors. The only importer of rich.

Documents for machines go to standard output; everything else to standard error. Both are copies
of the descriptors, so that libraries can be kept quiet meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from optkit.core.errors import OptkitError, bad_input
from optkit.core.events import Event, Listener

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress, TaskID
    from rich.text import Text

    Cell = str | Text

# A line this often tells a log's reader that a long piece of work goes on.
_LOG_EVERY_SECONDS = 15.0

# Below, a long tail is the model's own.
_DISTURBED = 0.1


@dataclass(frozen=True)
class Console:
    """Where a command writes.

    Attributes:
        out: for documents that were asked for.
        rich: for people.
        json: whether standard output is to hold one JSON document and nothing else.
        quiet: whether people are told errors only.
    """

    out: IO[str]
    rich: Rich
    json: bool = False
    quiet: bool = False


def open_console(*, json: bool = False, quiet: bool = False) -> Console:
    """A console on copies of the standard streams.

    Tables go to standard output, unless a JSON document is to stand there alone.
    """
    out, err = _copy(sys.stdout, 1), _copy(sys.stderr, 2)
    return Console(out, _open_rich(err if json else out), json, quiet)


def _open_rich(stream: IO[str]) -> Rich:
    """Colour and bars on a terminal alone, and there unless NO_COLOR is set."""
    from rich.console import Console as Rich

    plain = bool(os.environ.get("NO_COLOR")) or not stream.isatty()
    return Rich(
        file=stream,
        highlight=False,
        soft_wrap=not stream.isatty(),
        force_terminal=False if plain else None,
        color_system=None if plain else "auto",
    )


def _copy(stream: IO[str], descriptor: int) -> IO[str]:
    """The stream as it is now; what is redirected later does not reach it."""
    try:
        if stream.fileno() == descriptor:
            return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", buffering=1)
    except (OSError, ValueError):  # a stream without a descriptor, as tests and notebooks have
        pass
    return stream


def write_json(path: Path, document: Any) -> None:
    """One JSON document in a file.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "name another file") from None


def print_json(console: Console, document: Any) -> None:
    """One JSON document on standard output."""
    console.out.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    console.out.flush()


def print_error(error: OptkitError, *, as_json: bool) -> None:
    """An error in two lines: the cause, the fix."""
    message, hint = " ".join(error.message.split()), " ".join(error.hint.split())
    if as_json:
        body = {"message": message, "hint": hint, "exit": int(error.exit_code)}
        sys.stdout.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    rich = _open_rich(sys.stderr)
    rich.print(Text.assemble(("error", "bold red"), f": {message}"), soft_wrap=True)
    if hint:
        rich.print(Text.assemble(("  fix", "bold green"), f": {hint}"), soft_wrap=True)


@contextmanager
def progress(console: Console) -> Iterator[Listener]:
    """A listener for the engine's events: bars on a terminal, plain lines elsewhere."""
    if console.quiet:
        yield lambda _: None
    elif console.rich.is_terminal:
        with _bars(console.rich) as listener:
            yield listener
    else:
        yield _lines(console.rich)


@contextmanager
def _bars(rich: Rich) -> Iterator[Listener]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=rich, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        yield _draw_on(bars)


def _draw_on(bars: Progress) -> Listener:
    from rich.markup import escape

    tasks: dict[str, TaskID] = {}

    def listen(event: Event) -> None:
        if event.kind == "start":
            text = f"{escape(event.title)} [dim]{escape(event.text)}[/]"
            tasks[event.title] = bars.add_task(text, total=None, counted="")
        elif event.kind == "progress" and event.title in tasks:
            counted = f"{event.done}/{event.total}" if event.total else str(event.done)
            bars.update(
                tasks[event.title], completed=event.done, total=event.total, counted=counted
            )
        elif event.kind == "end" and event.title in tasks:
            bars.remove_task(tasks.pop(event.title))
        elif event.kind == "note":
            bars.console.print(f"[yellow]{escape(event.title)}[/]: {escape(event.text)}")

    return listen


def _lines(rich: Rich) -> Listener:
    started: dict[str, float] = {}
    told: dict[str, float] = {}

    def listen(event: Event) -> None:
        now = time.monotonic()
        if event.kind == "start":
            started[event.title] = told[event.title] = now
        elif event.kind == "progress":
            if now - told.get(event.title, now) >= _LOG_EVERY_SECONDS:
                told[event.title] = now
                of = f" of {event.total}" if event.total else ""
                rich.print(f"{event.title}: {event.done}{of}", markup=False)
        elif event.kind == "end":
            seconds = now - started.pop(event.title, now)
            rich.print(f"{event.title}: {event.text} ({seconds:.1f} s)", markup=False)
        else:
            rich.print(f"{event.title}: {event.text}", markup=False)

    return listen


def print_run(console: Console, manifest: Mapping[str, Any], folder: str) -> None:
    """The end of a run: steps, result against source, gates, and where it lies."""
    from rich.text import Text

    rich = console.rich
    model = manifest["model"]
    rich.print()
    rich.print(Text.assemble((model["path"], "bold"), f" ({model['format']})"))
    for refusal in manifest["routes"]["refused"]:
        refused = (f"route {refusal['route']} refused", "yellow")
        rich.print(Text.assemble(refused, f" by {refusal['pass']}: {refusal['cause']}"))
    if manifest["routes"]["refused"]:
        rich.print(f"route taken: {', '.join(manifest['routes']['taken'])}")
    _table(rich, ("step", "", "time", ""), [_step_row(row) for row in manifest["steps"]])
    _print_results(rich, manifest)
    _print_gates(rich, manifest["gates"])
    verdict = {"ok": ("ok", "bold green"), "gated": ("a gate was missed", "bold red")}
    names = ", ".join(row["path"] for row in manifest["artifacts"])
    rich.print(Text.assemble(verdict[manifest["status"]], f"  {folder}/: {names}"))


def print_missed(gates: Sequence[Mapping[str, Any]]) -> None:
    """A line on standard error for each gate that was missed: what even quiet users need."""
    for gate in gates:
        if not gate["held"]:
            about = f"{gate['artifact']}: gate {gate['name']} missed"
            sys.stderr.write(f"{about}: {_measured(gate)}, bound {gate['bound']}\n")


def _measured(gate: Mapping[str, Any]) -> str:
    value = gate["value"]
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_check(console: Console, document: Mapping[str, Any]) -> None:
    """One model held against another."""
    for proof in document["validation"]:
        _table(console.rich, (proof["artifact"], ""), _proof_rows(proof))
    _print_gates(console.rich, document["gates"])


def print_benchmark(console: Console, timed: Sequence[Mapping[str, Any]]) -> None:
    """Models timed side by side: a table per scenario, with the settings that differ."""
    asked = {name: {str(row["asked"].get(name)) for row in timed} for row in timed
             for name in row["asked"] if name != "device"}  # fmt: skip
    apart = [name for name in asked if len(asked[name]) > 1]
    heads = ("model", "runtime", *apart, "p50", "p99", "inputs/s", "speedup", "")
    for scenario in dict.fromkeys(row["scenario"] for row in timed):
        rows = [row for row in timed if row["scenario"] == scenario]
        cells = [
            (
                row["artifact"],
                f"{row['runtime']} {row['device']}",
                *(str(row["asked"].get(name, "")) for name in apart),
                *_speed_cells(row),
            )
            for row in rows
        ]
        _table(console.rich, (f"{heads[0]} ({scenario})", *heads[1:]), cells)
        for row in rows:
            for line in _remarks(row):
                console.rich.print(f"{row['artifact']}: {line}", markup=False)


def _speed_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in row:
        return "", "", "", "", "not measured"
    latency, ratio = row["latency_ms"], row["speedup"]
    return (
        f"{latency['p50']:.3g} ms",
        f"{latency['p99']:.3g} ms",
        f"{row['throughput_per_s']:.4g}",
        f"{ratio['value']:.2f}x ({ratio['ci95'][0]:.2f} to {ratio['ci95'][1]:.2f})"
        if ratio
        else "",
        ratio["verdict"] if ratio else "",
    )


def _remarks(row: Mapping[str, Any]) -> list[str]:
    """What a reader of a row's figures has to know."""
    if "error" in row:
        return [f"{row['error']['message']}; {row['error']['hint']}"]
    told = []
    if row["preempted"] > _DISTURBED:
        told.append(f"{row['preempted']:.0%} of its samples were preempted: the machine is busy")
    if "server" in row and not row["server"]["held"]:
        told.append(f"no load keeps 99 % below {row['server']['latency_bound_ms']:g} ms")
    return told


def print_devices(console: Console, document: Mapping[str, Any]) -> None:
    """The processor, what was measured, and every runtime's devices."""
    rich, processor, measured = console.rich, document["processor"], document["measured"]
    _table(rich, ("processor", ""), _processor_rows(processor))
    if measured["peaks"] or measured["copy"]:
        heads = ("measured", "threads", "at best", "median below", "with")
        _table(rich, heads, _peak_rows(measured))
    if any(row["busy"] for row in (*measured["peaks"], *measured["copy"])):
        rich.print("[yellow]The machine was busy;[/] repeat with --remeasure when it is quiet.\n")
    for row in measured["refused"]:
        rich.print(f"{row['device']}: {row['precision']} not reached: {row['cause']}", markup=False)
    for row in measured["failed"]:
        rich.print(f"{row['device']} not measured: {row['cause']}", markup=False)
    rows: list[tuple[str, ...]] = []
    for runtime in document["runtimes"]:
        if runtime["error"]:
            rows.append((runtime["runtime"], "none", "", f"cannot be used: {runtime['error']}"))
        for device in runtime["devices"]:
            absent = "not here" if device["kind"] == "missing" else "combines devices"
            runs = " ".join(device["precisions"]) if device["kind"] == "physical" else absent
            int8 = f"INT8: {device['int8']['told']}" if device["int8"] else ""
            named = device["name"] if device["kind"] == "physical" else ""
            about = "; ".join(filter(None, (named, device["note"], int8)))
            rows.append((runtime["runtime"], device["device"], runs, about))
    _table(rich, ("runtime", "device", "runs", ""), rows)


def _processor_rows(processor: Mapping[str, Any]) -> list[tuple[str, str]]:
    counted = [f"{processor['cores']} for this process"]
    for key, word in (
        ("sockets", "sockets"),
        ("numa_nodes", "NUMA nodes"),
        ("threads_per_core", "threads per core"),
    ):
        counted += [f"{word} {processor[key]}"] if processor[key] else []
    made_for = [f"{key.upper()} by {' '.join(words)}"
                for key, words in processor["speeds_up"].items() if words]  # fmt: skip
    caches = [f"L{row['level']} {row['instances']} x {row['bytes'] // 1024} KiB"
              for row in processor["caches"]]  # fmt: skip
    return [
        ("model", processor["model"]),
        ("cores", ", ".join(counted)),
        ("instruction sets", " ".join(processor["isa"]) or "baseline"),
        ("made for", ", ".join(made_for) or "FP32 alone"),
        ("data caches", ", ".join(caches) or "not told by the system"),
    ]


def _peak_rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows = [
        (f"{row['device']} {row['precision']}", row, f"{row['gops']:,.0f} "
         + ("GOPS" if row["precision"] == "int8" else "GFLOPS"))
        for row in measured["peaks"]
    ]  # fmt: skip
    rows += [("memory copy", row, f"{row['gb_per_s']:.1f} GB/s") for row in measured["copy"]]
    return [
        (name, str(row["threads"] or ""), rate,
         f"{100 * row['spread']:.0f} %{', busy' if row['busy'] else ''}", row["kernel"])
        for name, row, rate in rows
    ]  # fmt: skip


def _step_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["cached"]:
        note = "cached"
    elif not row["changed"]:
        note = f"no change: {row['reason']}"
    else:
        note = row["reason"] or ""
    if row["cached"] and not row["changed"]:
        note = f"cached; no change: {row['reason']}"
    return row["pass"], row["artifact"]["format"], seconds(row["seconds"]), note


def _print_results(rich: Rich, manifest: Mapping[str, Any]) -> None:
    for artifact in manifest["artifacts"]:
        name = artifact["path"]
        proof = next(row for row in manifest["validation"] if row["artifact"] == name)
        rows: list[tuple[str, Cell]] = [("size", f"{size(artifact['bytes'])}{_smaller(artifact)}")]
        rows.append(("precision", _counts(artifact["precision"]["achieved"])))
        rows += _proof_rows(proof)
        for timed in manifest["benchmark"]:
            if timed["artifact"] == name:
                rows += _speed_rows(timed)
        _table(rich, (name, ""), rows)
    if made_up := manifest["data"]["synthesised"]:
        rich.print(
            f"[yellow]Synthesised inputs served {' and '.join(made_up)};[/] give real ones with "
            "--data, or under data: in the recipe.\n"
        )


def _proof_rows(proof: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    if metric := proof["metric"]:
        told = [f"{metric[key]:.4f}" if metric[key] is not None else "none"
                for key in ("value", "reference", "drop")]  # fmt: skip
        rows.append((metric["name"], f"{told[0]}, source {told[1]}, drop {told[2]}"))
    rows += [(f"fidelity, {row['name']}", _fidelity(row)) for row in proof["outputs"]]
    return [*rows, ("compared on", f"{proof['samples']} {proof['data']} samples")]


def _ratio(ratio: Mapping[str, Any]) -> str:
    low, high = ratio["ci95"]
    return f"{ratio['value']:.2f}x (95 % interval {low:.2f} to {high:.2f})"


def _speed_rows(timed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A result's own rows: it was measured, or the run would have failed."""
    latency = timed["latency_ms"]
    label = f"{timed['device']} {timed['scenario']}"
    text = f"p50 {latency['p50']:.3g} ms, p99 {latency['p99']:.3g} ms, "
    rows = [(label, text + f"{timed['throughput_per_s']:.4g} inferences/s")]
    ratios = filter(None, map(timed.get, ("speedup", "speedup_vs_source")))
    return rows + [(f"speed against {ratio['against']}", _ratio(ratio)) for ratio in ratios]


def _fidelity(row: Mapping[str, Any]) -> Cell:
    from rich.text import Text

    if row["problem"]:
        return Text(row["problem"], "red")
    if row["verdict"] == "unverified":
        return Text("unverified: the source's output is constant", "yellow")
    quality = "identical" if row["sqnr_db"] is None else f"SQNR {row['sqnr_db']:.1f} dB"
    return f"cosine {row['cosine']:.6f}, {quality}, max abs {row['max_abs']:.3g}"


def _print_gates(rich: Rich, gates: Sequence[Mapping[str, Any]]) -> None:
    from rich.text import Text

    rows = []
    for gate in gates:
        mark = Text("held", "green") if gate["held"] else Text("missed", "bold red")
        rows.append((gate["name"], _measured(gate), gate["bound"], mark))
    _table(rich, ("gate", "measured", "bound", ""), rows)


def _smaller(artifact: Mapping[str, Any]) -> str:
    ratio = artifact["size_ratio"]
    return f", {1 / ratio:.2f}x smaller than FP32" if ratio and ratio < 0.95 else ""


def _counts(achieved: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in achieved.items()) or "no weights"


def _table(rich: Rich, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(Text(head), style="bold" if index == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    rich.print(table)


def print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, unless quiet was asked for."""
    if not console.quiet:
        _table(console.rich, heads, rows)


def say(console: Console, text: str) -> None:
    """A line for people, unless they asked for quiet."""
    if not console.quiet:
        console.rich.print(text, markup=False)


def seconds(value: float) -> str:
    """A duration as people read it."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def size(count: int) -> str:
    """Bytes as people read them (decimal units)."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
