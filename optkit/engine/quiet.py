"""Keeps the libraries' chatter away from what optkit itself says."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send all that Python and native code print, on either stream, to a file.

    Native libraries write to file descriptors 1 and 2, past `sys.stdout`; so both are turned.
    Whoever is to be heard meanwhile writes to a copy of its descriptor, made before.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("a", encoding="utf-8", errors="replace", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            with redirect_stdout(file), redirect_stderr(file):
                yield
        finally:
            _flush_native()
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)


@contextmanager
def aloud() -> Iterator[None]:
    """Send what libraries print on standard output to standard error: a document may go there."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_native()
        os.dup2(saved, 1)
        os.close(saved)


def _flush_native() -> None:
    """Write out what C libraries hold back, before their stream leads elsewhere again."""
    ctypes.CDLL(None).fflush(None)
