"""`include:`: other files' keys, laid below those of the recipe that names them.

Mappings are merged key by key; anything else is replaced as a whole. A path in an included file is
relative to that file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optkit.core.errors import OptkitError
from optkit.recipe.checks.paths import PATHS, Fence, is_callable, seen, value_at
from optkit.recipe.layers.merging import laid_over
from optkit.recipe.places import KeyPath, Place, Positions, Unreadable, found, problem
from optkit.recipe.text.document import Document, read_document
from optkit.recipe.text.files import decoded
from optkit.recipe.text.loader import MOST_NODES
from optkit.recipe.versions.current import check_version

MOST_FILES = 32
MOST_LEVELS = 8


@dataclass
class _Reading:
    """What is shared while a recipe's includes are read: how much there was."""

    fence: Fence
    files: int = 0
    values: int = 0
    trail: list[Path] = field(default_factory=list)


def with_includes(document: Document, path: Path, fence: Fence) -> Document:
    """The recipe with all that it includes.

    Args:
        document: the recipe's own.
        path: its file.
        fence: where included files may lie.

    Raises:
        Unreadable: a file is missing, is no part of a recipe, lies outside, or includes itself.
    """
    reading = _Reading(fence, values=len(document.positions.values))
    return _merged(document, path, reading)


def _merged(document: Document, path: Path, reading: _Reading) -> Document:
    reading.trail.append(_named_by(path))
    below: Document | None = None
    for text, place in _named(document):
        part = _included(text, place, path, reading)
        below = part if below is None else laid_over(below, part)
    reading.trail.pop()
    own = {key: value for key, value in document.data.items() if key != "include"}
    own_document = replace(document, data=own)
    return own_document if below is None else laid_over(below, own_document)


def _named(document: Document) -> Iterator[tuple[str, Place]]:
    """The files that a document includes, and where it says so."""
    if "include" not in document.data:
        return
    value = document.data["include"]
    entries = value if isinstance(value, list) else [value]
    for index, entry in enumerate(entries):
        path: KeyPath = ("include", index) if isinstance(value, list) else ("include",)
        place = document.positions.value(path)
        if path in document.unset:
            raise Unreadable(document.unset[path][0])
        if not isinstance(entry, str) or not entry:
            message = f"'include' must be a file or a list of files, found {found(entry)}"
            raise Unreadable(problem(place, message, "write include: common.yaml"))
        yield entry, place


def _named_by(path: Path) -> Path:
    """The file in its real folder: paths are relative to where it is seen, be it a link or not."""
    return path.parent.resolve() / path.name


def _included(text: str, place: Place, path: Path, reading: _Reading) -> Document:
    """One included file with its own includes, its paths as seen from the including file."""
    file = seen(path.parent, text)
    if not place.override and not reading.fence.holds(file):
        relative = (
            text if len(reading.trail) == 1 else os.path.relpath(file, reading.fence.folders[0])
        )
        message, hint = reading.fence.refusal(("include",), relative) or ("", "")
        raise Unreadable(problem(place, message, hint))
    reading.files += 1
    if _named_by(file) in reading.trail:
        names = " → ".join(one.name for one in (*reading.trail, file))
        raise Unreadable(
            problem(place, f"a file includes itself: {names}", "leave one include out")
        )
    if len(reading.trail) > MOST_LEVELS or reading.files > MOST_FILES:
        message = f"more than {MOST_LEVELS} levels or {MOST_FILES} files of includes"
        raise Unreadable(problem(place, message, "include fewer"))
    shown = os.path.normpath(file)
    content = _content(file, shown, place)
    try:
        return _read(content, file, shown, reading)
    except Unreadable as error:
        inner = error.problem
        known = inner.file or inner.override
        raise Unreadable(inner if known else replace(inner, file=shown)) from None


def _content(file: Path, shown: str, place: Place) -> str:
    try:
        return decoded(file)
    except OptkitError as error:
        hint = "check the path; it is relative to the file that includes"
        raise Unreadable(problem(place, error.message, hint)) from None
    except Unreadable as error:
        raise Unreadable(replace(error.problem, file=shown)) from None


def _read(content: str, file: Path, shown: str, reading: _Reading) -> Document:
    document = read_document(content, os.environ)
    if document is None or not isinstance(document.data, dict):
        data = None if document is None else document.data
        message = f"an included file must be a mapping, found {found(data)}"
        raise Unreadable(problem(Place(1, 1), message, "write keys of a recipe into it"))
    reading.values += len(document.positions.values)
    if reading.values > MOST_NODES:
        message = f"more than {MOST_NODES} values with all that is included"
        raise Unreadable(problem(Place(1, 1), message, "include less"))
    check_version(document)
    if "outside" in document.data:
        where = document.positions.key(("outside",))
        hint = "move 'outside' to the recipe that includes this file"
        raise Unreadable(problem(where, "an included file cannot open folders outside", hint))
    document = _in_file(document, shown)
    document.data.pop("optkit", None)
    merged = _merged(document, file, reading)
    _rebase(merged, file.parent, reading.trail[-1].parent)
    return merged


def _in_file(document: Document, file: str) -> Document:
    """The document with its file noted at every place."""
    keys = {path: replace(place, file=file) for path, place in document.positions.keys.items()}
    values = {path: replace(place, file=file) for path, place in document.positions.values.items()}
    problems = tuple(replace(one, file=file) for one in document.problems)
    unset = {
        path: tuple(replace(one, file=file) for one in faults)
        for path, faults in document.unset.items()
    }
    return Document(document.data, Positions(keys, values), problems, unset)


def _rebase(document: Document, folder: Path, onto: Path) -> None:
    """Write the document's relative paths as they are seen from another folder."""
    for key in PATHS:
        text: Any = value_at(document.data, key)
        if not isinstance(text, str) or key in document.unset or is_callable(text):
            continue
        if not seen(Path(), text).is_absolute():
            holder = value_at(document.data, key[:-1])
            holder[key[-1]] = Path(os.path.relpath(folder.resolve() / text, onto)).as_posix()
