"""Paths of a recipe stay within its folder, unless it names folders outside of it.

A recipe may come from anyone, and so may a link in its folder: what counts is where a path leads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.recipe.places import KeyPath, dotted
from optkit.recipe.text.document import Document

PATHS: tuple[KeyPath, ...] = (
    ("model", "path"),
    ("data", "calibration", "path"),
    ("data", "validation", "path"),
    ("baseline",),
)
"""The keys that hold a path."""

_CALLABLE = re.compile(r"^[\w.]+:[\w.]+$")


@dataclass(frozen=True)
class Fence:
    """The folders that a recipe's paths may lead into, its own first."""

    folders: tuple[Path, ...]

    def holds(self, place: Path) -> bool:
        """Whether a path leads into one of them."""
        real = place.resolve()
        return any(real.is_relative_to(folder) for folder in self.folders)

    def refusal(self, key: KeyPath, text: str) -> tuple[str, str] | None:
        """What is wrong with a path that is written below a key, and the fix; None if nothing."""
        place = seen(self.folders[0], text)
        if self.holds(place):
            return None
        linked = Path(os.path.normpath(place)).is_relative_to(self.folders[0])
        told = f"{text}, a link to {place.resolve()}" if linked else text
        folder = folder_of(self.folders[0], text)
        return (
            f"'{dotted(key)}' leads outside the recipe's folder: {told}",
            f"move it there, or allow it: outside: {folder} (or --set outside={folder})",
        )


def fence_of(folder: Path, data: dict[str, Any]) -> Fence:
    """The fence of a recipe in a folder, as far as its `outside` says."""
    named = data.get("outside")
    texts: Sequence[Any] = named if isinstance(named, list) else [named]
    asked = (seen(folder, text) for text in texts if isinstance(text, str) and text)
    return Fence(tuple(place.resolve() for place in (folder, *asked)))


def seen(folder: Path, text: str) -> Path:
    """A path of a recipe in a folder, `~` for the user's own."""
    return folder / os.path.expanduser(text)  # noqa: PTH111 - an unknown user is no error


def folder_of(folder: Path, text: str) -> str:
    """The folder that a path leads into, as it is written unless a link leads there."""
    written, real = os.path.dirname(text) or ".", seen(folder, text).resolve().parent  # noqa: PTH120
    plain = seen(folder, written).resolve() == real and not written.startswith("~")
    return written if plain else str(real)


def is_callable(text: str) -> bool:
    """Whether it is no path but `module:callable`."""
    return _CALLABLE.match(text) is not None


def path_faults(document: Document, fence: Fence) -> Iterator[tuple[KeyPath, str, str]]:
    """Every path of a recipe that leads outside, with message and fix.

    What the user sets on the command line is asked for.
    """
    for key in PATHS:
        text = value_at(document.data, key)
        if not isinstance(text, str) or key in document.unset or is_callable(text):
            continue
        if document.positions.value(key).override:
            continue
        if refused := fence.refusal(key, text):
            yield key, *refused


def value_at(data: Any, path: KeyPath) -> Any:
    """The value at a path; None where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data
