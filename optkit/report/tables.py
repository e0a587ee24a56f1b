"""Tables of words, before any of them becomes HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "bad", "note"]


@dataclass(frozen=True)
class Told:
    """Words with a tone: good news, bad news, or something to note."""

    text: str
    tone: Tone = ""


Cell = str | Told | tuple[Told, ...]


@dataclass(frozen=True)
class Table:
    """Rows under heads; the first cell of a row says what it is about.

    Attributes:
        caption: says what the rows are.
        heads: one for each column.
        rows: as many cells each.
        figures: columns that hold numbers, by index.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    figures: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Tile:
    """One figure that matters, with what it is and what it stands against."""

    label: str
    value: str
    note: str = ""
    tone: Tone = ""


def parts(cell: Cell) -> tuple[Told, ...]:
    """What a cell says, line by line."""
    if isinstance(cell, str):
        return (Told(cell),)
    return (cell,) if isinstance(cell, Told) else cell
