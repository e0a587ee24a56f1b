"""Mistakes marked at their line where a CI system shows files: GitHub's workflow commands."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_PLACED = re.compile(r"^(?P<file>[^\n]+?):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)$", re.DOTALL)


def understood() -> bool:
    """Whether the machine's log turns such lines into annotations."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(message: str, hint: str = "") -> None:
    """Mark an error, at its line where the message begins with `recipe.yaml:12:5:`."""
    if not understood():
        return
    placed = _PLACED.match(message)
    place = {"title": "optkit"}
    if placed:
        message = placed["text"]
        place |= {
            "file": _in_workspace(placed["file"]), "line": placed["line"], "col": placed["column"],
        }  # fmt: skip
    told = f"{message}\nfix: {hint}" if hint else message
    marks = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in place.items())
    sys.stderr.write(f"::error {marks}::{_escaped(told)}\n")


def _in_workspace(file: str) -> str:
    """The file as the repository names it."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    place = Path(file).absolute()
    if workspace and place.is_relative_to(Path(workspace).absolute()):
        return place.relative_to(Path(workspace).absolute()).as_posix()
    return file


def _escaped(text: str, more: str = "") -> str:
    for sign in "%\r\n" + more:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
