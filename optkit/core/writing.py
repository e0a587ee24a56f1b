"""Documents, and files that a user named."""

from __future__ import annotations

import codecs
import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optkit.core.errors import bad_input


def check_folders(*paths: Path | None) -> None:
    """Refuse files in folders that are not there, before what they are to hold is worked out.

    Raises:
        OptkitError: bad input.
    """
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise bad_input(f"cannot write {path}: no such folder", "name another file")


def write_text(path: Path, text: str) -> None:
    """Put text into a file: whole or not at all, unless it is a pipe or a device.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _put(path.resolve(), text.encode())
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "name another file") from None


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a file, in one piece.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "name another file") from None


def replace_text(path: Path, text: str) -> None:
    """Put other text into a file that is there: all of it or none.

    Its byte order mark and its permissions stay, and so does a link to it.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    try:
        with path.open("rb") as file:
            mark = codecs.BOM_UTF8 if file.read(3) == codecs.BOM_UTF8 else b""
        _put(path.resolve(), mark + text.encode())
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "check its folder") from None


def _put(place: Path, content: bytes) -> None:
    """Write beside the file's place, then move it in; it keeps the permissions that it had."""
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    beside = place.with_name(f".{place.name}.optkit-{os.getpid()}")
    try:
        beside.write_bytes(content)
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def to_json(manifest: Any) -> str:
    """JSON as optkit writes it; a figure that is no number becomes null."""
    return json.dumps(_finite(manifest), indent=2, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None  # noqa: PLR0124
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
