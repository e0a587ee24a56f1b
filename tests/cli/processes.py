"""Command lines in processes of their own, and what they leave on disk."""

import os
import subprocess
import sys
from pathlib import Path

from optkit.core.store import LAYOUT


def tree(folder: Path) -> dict[str, int]:
    """Everything below a folder, hidden or not, with its size."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size if path.is_file() else -1
        for path in folder.rglob("*")
    }


def staged(store: Path) -> list[Path]:
    """What is half made in a store."""
    folder = store / LAYOUT / "staging"
    return list(folder.iterdir()) if folder.exists() else []


def spawn(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "optkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def environment(store: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "OPTKIT_CACHE_DIR": str(store), **more}
