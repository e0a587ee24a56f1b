"""Digests: of files, of settings, of the code that a step runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def file_digest(path: Path) -> str:
    """SHA-256 of one file's content, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over several files: their contents and their names relative to `root`.

    A single file is known by its content alone, so that renaming a model changes nothing.
    """
    paths = list(files)
    if len(paths) == 1:
        return file_digest(paths[0])
    return digest({path.relative_to(root).as_posix(): file_digest(path) for path in paths})


def canonical(value: Any) -> str:
    """JSON with one spelling for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of any JSON value, as hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
