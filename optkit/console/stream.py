"""Where a command writes: documents, lines, errors.

Documents for machines go to standard output; everything else to standard error. Both are copies
of the descriptors, so that libraries can be kept quiet meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from optkit.console.annotations import annotate
from optkit.core.errors import OptkitError
from optkit.core.writing import to_json, write_text

if TYPE_CHECKING:
    from rich.console import Console as Rich


@dataclass(frozen=True)
class Console:
    """Where a command writes.

    Attributes:
        out: for documents that were asked for.
        rich: for people.
        json: whether standard output is to hold one JSON document and nothing else.
        quiet: whether people are told errors only.
    """

    out: IO[str]
    rich: Rich
    json: bool = False
    quiet: bool = False


def open_console(*, json: bool = False, quiet: bool = False) -> Console:
    """A console on copies of the standard streams.

    Tables go to standard output, unless a JSON document is to stand there alone.
    """
    out, err = _copy(sys.stdout, 1), _copy(sys.stderr, 2)
    return Console(out, _open_rich(err if json else out), json, quiet)


def _open_rich(stream: IO[str]) -> Rich:
    """Colour and bars on a terminal alone, and there unless NO_COLOR is set."""
    from rich.console import Console as Rich

    plain = bool(os.environ.get("NO_COLOR")) or not stream.isatty()
    return Rich(
        file=stream,
        highlight=False,
        soft_wrap=not stream.isatty(),
        force_terminal=False if plain else None,
        color_system=None if plain else "auto",
    )


def _copy(stream: IO[str], descriptor: int) -> IO[str]:
    """The stream as it is now; what is redirected later does not reach it."""
    try:
        if stream.fileno() == descriptor:
            return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", buffering=1)
    except (OSError, ValueError):  # a stream without a descriptor, as tests and notebooks have
        pass
    return stream


def write_json(path: Path, document: Any) -> None:
    """One JSON document in a file.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    write_text(path, to_json(document))


def print_json(console: Console, document: Any) -> None:
    """One JSON document on standard output."""
    console.out.write(to_json(document))
    console.out.flush()


def print_error(error: OptkitError, *, as_json: bool) -> None:
    """An error in two lines: the cause, the fix."""
    message, hint = " ".join(error.message.split()), " ".join(error.hint.split())
    annotate(message, hint)
    if as_json:
        body = {"message": message, "hint": hint, "exit": int(error.exit_code)}
        sys.stdout.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    rich = _open_rich(sys.stderr)
    rich.print(Text.assemble(("error", "bold red"), f": {message}"), soft_wrap=True)
    if hint:
        rich.print(Text.assemble(("  fix", "bold green"), f": {hint}"), soft_wrap=True)


def say(console: Console, text: str) -> None:
    """A line for people, unless they asked for quiet."""
    if not console.quiet:
        console.rich.print(text, markup=False)
