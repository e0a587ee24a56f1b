"""Digests: of files, of settings, of the code that a step runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def file_digest(path: Path) -> str:
    """SHA-256 of one file's content, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over several files: their contents and their names relative to `root`."""
    return combined_digest({path.relative_to(root).as_posix(): file_digest(path) for path in files})


def combined_digest(digests: Mapping[str, str]) -> str:
    """`files_digest` of files whose own digests are known, by their names.

    A single file is known by its content alone, so that renaming a model changes nothing.
    """
    return next(iter(digests.values())) if len(digests) == 1 else digest(dict(digests))


def canonical(value: Any) -> str:
    """JSON with one spelling for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of any JSON value, as hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
