"""Tables, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optkit.console.stream import Console

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.text import Text

    Cell = str | Text


def table(rich: Rich, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """A table under its heads; the first column says what a row is about."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        drawn.add_column(Text(head), style="bold" if index == 0 else "", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    rich.print(drawn)


def print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, unless quiet was asked for."""
    if not console.quiet:
        table(console.rich, heads, rows)


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
