"""Tables, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.stream import Console

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.text import Text

    Cell = str | Text

VERDICTS = {
    "faster": "bold green",
    "slower": "bold red",
    "no difference": "cyan",
    "too noisy": "yellow",
}
"""How a verdict of `optkit.core.stats.verdict` looks."""

_BLOCKS = " ▁▂▃▄▅▆▇█"


def table(
    rich: Rich,
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str = "",
    figures: Iterable[str] = (),
    whole: Iterable[str] = (),
    extra: str = "",
) -> None:
    """A table under its heads; the first column says what a row is about.

    Args:
        rich: where to.
        heads: one for each column.
        rows: a cell for each column.
        title: stands above.
        figures: heads of columns that hold numbers: aligned to the right, never broken.
        whole: heads of others that are never broken.
        extra: the head of a column that is left out where there is no room for it.
    """
    rows, right = list(rows), set(figures)
    unbroken = right | {*whole}
    roomy = rich.options.update(width=10_000)
    drawn = _draw(heads, rows, title, right, unbroken)
    if extra and rich.measure(drawn, options=roomy).maximum > rich.width:
        kept = [at for at, head in enumerate(heads) if head != extra]
        heads, rows = [heads[at] for at in kept], [[row[at] for at in kept] for row in rows]
        drawn = _draw(heads, rows, title, right, unbroken)
    if rich.measure(drawn, options=roomy).minimum > rich.width:
        drawn = _draw(heads, rows, title, right, unbroken, gap=0)
    if rich.measure(drawn, options=roomy).minimum > rich.width:  # a figure cut short would be false
        drawn = _draw(heads, rows, title, right, set(), gap=0)
    rich.print(drawn)


def _draw(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    title: str,
    right: set[str],
    whole: set[str],
    gap: int = 1,
) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        box=SIMPLE_HEAD,
        padding=(0, gap),
        pad_edge=False,
        collapse_padding=True,
        title=Text(title, "bold") if title else None,
        title_justify="left",
    )
    for index, head in enumerate(heads):
        drawn.add_column(
            Text(head),
            style="bold" if index == 0 else "",
            overflow="fold",
            justify="right" if head in right else "left",
            no_wrap=head in whole,
            # what rich takes for the least width otherwise is that of the longest word
            min_width=_width(head, [row[index] for row in rows]) if head in whole else None,
        )
    for row in rows:
        drawn.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return drawn


def _width(head: str, cells: Sequence[Cell]) -> int:
    from rich.cells import cell_len

    return max(cell_len(line) for text in (head, *map(str, cells)) for line in text.split("\n"))


def print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, unless quiet was asked for."""
    if not console.quiet:
        table(console.rich, heads, rows)


def speedup(ratio: Mapping[str, Any]) -> str:
    """How many times faster, and the 95 % interval of that."""
    low, high = map(_times, ratio["ci95"])
    return f"{_times(ratio['value'])}x {low}-{high}"


def _times(ratio: float) -> str:
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def verdict(ratio: Mapping[str, Any]) -> Text:
    """A speedup's verdict, coloured."""
    from rich.text import Text

    return Text(ratio["verdict"], VERDICTS.get(ratio["verdict"], ""))


def spark(shares: Sequence[float]) -> str:
    """Bars of one line, each as high as its share of the largest; none but for nothing at all."""
    most = max(shares, default=0) or 1
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[math.ceil(share * top / most)] for share in shares)


def number(value: float) -> str:
    """Three digits that count, without an exponent: 0.0139, 4.88, 60.9k, 1.2M."""
    for size_, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size_:
            return f"{_digits(value / (1e3 if unit == 'k' else size_))}{unit}"
    return _digits(value)


def _digits(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


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
