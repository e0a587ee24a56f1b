"""Which files of a folder are samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def files_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files below `folder` with one of the suffixes, in the order of their paths as text.

    Hidden files and folders are passed by: systems and editors leave look-alikes there.
    """
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in suffixes and not hidden and path.is_file():
            found[inside.as_posix()] = path
    return [found[name] for name in sorted(found)]
