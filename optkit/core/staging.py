"""Folders for work in progress, which not even a killed process leaves behind for long."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def staging_folder(parent: Path, prefix: str = "") -> Iterator[Path]:
    """A new, empty folder in `parent`; gone when the block ends.

    Whoever works in one holds a lock on it, and locks die with their process: what is found
    unlocked was left by one that was killed, and is removed.

    Args:
        parent: made where it is missing.
        prefix: begins the folder's name; nothing else in `parent` may begin so.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{prefix}*"):
        _remove_unlocked(left)
    folder, lock = _claim(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _claim(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():  # nobody swept it before it was locked
                return folder, lock
            os.close(lock)


def _remove_unlocked(folder: Path) -> None:
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(lock)
