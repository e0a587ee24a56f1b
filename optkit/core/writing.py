"""Writing to a file that a user named."""

from __future__ import annotations

from pathlib import Path

from optkit.core.errors import bad_input


def write_text(path: Path, text: str) -> None:
    """Put text into a file.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "name another file") from None
