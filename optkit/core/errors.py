"""What a user is told when something goes wrong: one line of cause, one line of fix."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

# Where a library's message speaks of the library instead of the mistake.
_FRAMES = re.compile(
    r"^(?:Exception from \S+:\d+:|Check '.*' failed at \S+:\d+:)$"  # OpenVINO
    r"|^The following operation failed in the TorchScript interpreter\.$"
)
_PREFIX = re.compile(r"^(?:\[ONNXRuntimeError\] : \d+ : \w+ : |RuntimeError: )")


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    GATED = 3
    FAULT = 4
    INTERRUPTED = 130


class OptkitError(Exception):
    """A failure that the user can act on; shown without a traceback.

    Args:
        message: one line saying what is wrong and where.
        hint: one line with the fix, a command or an edit where there is one.
        exit_code: what the process ends with.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.log = ""
        """What the libraries printed before the failure."""
        self.manifest: dict[str, Any] | None = None
        """What a run had done until then, with status `failed`."""


def bad_input(message: str, hint: str = "") -> OptkitError:
    """The error for a usage, recipe, model or data mistake (exit 2)."""
    return OptkitError(message, hint, exit_code=Exit.BAD_INPUT)


def root_cause(error: BaseException) -> str:
    """One readable line out of a library's exception: its innermost cause, trimmed."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and "TorchScript interpreter" in lines[0]:  # a traceback follows, the cause comes last
        lines = [line for line in lines if _PREFIX.match(line)][-1:] or lines
    lines = [_PREFIX.sub("", line) for line in lines if not _FRAMES.match(line)]
    text = lines[0] if lines else type(error).__name__
    if text.endswith("for the following indices") and len(lines) > 1:  # ONNX Runtime
        text = f"{text.removesuffix(' for the following indices')}: {lines[1]}"
    return text if len(text) <= 300 else text[:297] + "..."
