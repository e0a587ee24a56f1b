"""Where in a recipe something stands, and what is wrong there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_SAID = 300
"""Characters of a message."""

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices of lists, from the top."""


@dataclass(frozen=True, order=True)
class Place:
    """A line and a column, both from 1; or the `--set` that a value came by.

    `file` is the included file that it is in; empty for the recipe itself.
    """

    line: int
    column: int
    override: str = ""
    file: str = ""

    def within(self, path: str) -> str:
        """What a message begins with: `recipe.yaml:12:5`, or the override."""
        return self.override or f"{self.file or path}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Positions:
    """The place of every key and every value; of an unknown path, that of what it lies in."""

    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    values: Mapping[KeyPath, Place] = field(default_factory=dict)

    def key(self, path: KeyPath) -> Place:
        """Where the key stands that leads to `path`; for an entry of a list, the entry."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return self.keys.get(path) or self.values.get(path) or Place(1, 1)

    def value(self, path: KeyPath) -> Place:
        """Where the value at `path` begins."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path) or Place(1, 1)

    def replaced(self, path: KeyPath, place: Place) -> Positions:
        """With `path` and all beneath it at one place."""
        depth = len(path)
        keys = {known: at for known, at in self.keys.items() if known[:depth] != path}
        values = {known: at for known, at in self.values.items() if known[:depth] != path}
        return Positions(keys | {path: place}, values | {path: place})


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe.

    Attributes:
        line: from 1; 0 where an override is at fault.
        column: from 1; 0 where an override is at fault.
        message: what is wrong, without the place.
        hint: the fix.
        override: the `--set a.b=value` at fault; empty where the file is.
        file: the included file at fault; empty for the recipe itself.
    """

    line: int
    column: int
    message: str
    hint: str = ""
    override: str = ""
    file: str = ""

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.line, self.column, self.override, self.file)

    def text(self, path: str) -> str:
        """The whole line that a user reads: `recipe.yaml:12:5: ...`."""
        return f"{self.place.within(path)}: {self.message}"


def problem(place: Place, message: str, hint: str = "") -> Problem:
    """A problem at a place, in a line of its own whatever it quotes."""
    return Problem(
        place.line, place.column, _one_line(message), _one_line(hint), place.override, place.file
    )


def _one_line(text: str) -> str:
    """The text without what would break a line, or a terminal; cut where it is no longer read."""
    text = text if len(text) <= MOST_SAID else f"{text[: MOST_SAID - 3]}..."
    shown = (sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return "".join(shown)


class Unreadable(Exception):  # noqa: N818 - carries the one problem that ends reading
    """The text cannot be read on."""

    def __init__(self, found: Problem) -> None:
        super().__init__(found.message)
        self.problem = found


def dotted(path: KeyPath) -> str:
    """`model.inputs[0].shape` for a path."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def found(value: object) -> str:
    """A value as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    text = text if len(text) <= 40 else text[:37] + "..."
    return f"'{text}'" if isinstance(value, str) else text
