"""The engine's events while a command works: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optkit.console.stream import Console
from optkit.core.events import Event, Listener

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress, TaskID

# A line this often tells a log's reader that a long piece of work goes on.
_LOG_EVERY_SECONDS = 15.0


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
            counted += f" {event.text}" if event.text else ""
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
                text = f", {event.text}" if event.text else ""
                rich.print(f"{event.title}: {event.done}{of}{text}", markup=False)
        elif event.kind == "end":
            seconds = now - started.pop(event.title, now)
            rich.print(f"{event.title}: {event.text} ({seconds:.1f} s)", markup=False)
        else:
            rich.print(f"{event.title}: {event.text}", markup=False)

    return listen
