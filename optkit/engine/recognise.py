"""What a file is, told by its content; and what it is instead, where it is no model."""

from __future__ import annotations

from pathlib import Path
from zipfile import is_zipfile

from optkit.catalogue import find_format, format_names
from optkit.core.errors import bad_input


def recognise(path: Path) -> str:
    """The format of a model file, told by its content.

    Raises:
        OptkitError: bad input: missing, not readable, empty, truncated, a folder, or no model.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except IsADirectoryError:
        raise bad_input(f"{path} is a folder, not a model", "name the model file in it") from None
    except FileNotFoundError:
        raise bad_input(f"no such model: {path}", "check the path") from None
    except OSError as error:
        raise bad_input(f"cannot read {path}: {error.strerror}", "check the path") from None
    for name in format_names():
        if find_format(name).recognise(path):
            return name
    raise bad_input(*_no_model(path, head))


def _no_model(path: Path, head: bytes) -> tuple[str, str]:
    """What a file that is no model is instead, and the fix."""
    again = "copy or download it again"
    if not head:
        return f"{path} is empty", again
    if head.startswith(b"version https://git-lfs"):
        return f"{path} is a Git LFS pointer, not the model itself", "git lfs pull"
    if head.startswith(b"PK") and not is_zipfile(path):
        return f"{path} is truncated: an archive without its end", again
    if path.with_suffix(".xml").is_file() and path.suffix == ".bin":
        graph = path.with_suffix(".xml")
        return f"{path} holds the weights of {graph.name} alone", f"name {graph} instead"
    kinds = [(find_format(name).__doc__ or name).partition(":")[0] for name in format_names()]
    return (
        f"{path} is no model that optkit reads, or it is truncated",
        f"{again}; optkit reads {', '.join(kinds)}",
    )
