"""The store: finished steps and measured facts, found again by what went into them.

A step lives in `steps/<key>/`: its files and, written last, `record.json`. It is built under
`staging/` and moved into place by one rename, so that it is there whole or not at all; of two
processes that build the same step, the second one's rename fails and it takes the first one's.
Whoever uses a step holds a shared lock on its record until the run ends; pruning passes it by.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from optkit.core.hashing import digest

LAYOUT = "v1"
DEFAULT_LIMIT = 20 * 2**30


@dataclass(frozen=True)
class Entry:
    """A finished step: its folder and what was recorded of it."""

    folder: Path
    record: dict[str, Any]


@dataclass(frozen=True)
class Store:
    """A store's place and bound, and the locks that this process holds in it.

    Attributes:
        root: the folder.
        limit: bytes at which the least recently used entries go.
    """

    root: Path
    limit: int = DEFAULT_LIMIT
    _held: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def find(self, key: str) -> Entry | None:
        """The finished step under `key`, locked against pruning; None where there is none."""
        folder = self._step(key)
        try:
            file = (folder / "record.json").open(encoding="utf-8")
        except OSError:
            return None
        fcntl.flock(file, fcntl.LOCK_SH)
        try:
            record = json.load(file)
            whole = all((folder / f).stat().st_size == size for f, size in record["sizes"].items())
        except (OSError, ValueError, KeyError):
            whole = False
        if not whole:
            file.close()
            return None
        os.utime(folder / "record.json")
        self._held.enter_context(file)
        return Entry(folder, record)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder inside the store; gone when the block ends, or at the next sweep."""
        parent = self.root / LAYOUT / "staging"
        parent.mkdir(parents=True, exist_ok=True)
        self._sweep(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                Path(lock.name).unlink(missing_ok=True)

    def keep(self, key: str, folder: Path, record: dict[str, Any]) -> Entry:
        """Move a staged folder in as the step `key`; another process's equal step wins."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        record = record | {"sizes": sizes}
        (folder / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        target = self._step(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.replace(target)
        except OSError:
            if not target.is_dir():
                raise
            if self.find(key) is None:  # a broken entry stands in the way
                self._discard(target)
                folder.replace(target)
        entry = self.find(key)
        if entry is None:
            raise OSError(f"{target} vanished from the store")
        return entry

    def recall(self, key: str) -> Any:
        """The fact under `key`, or None."""
        try:
            text = self._fact(key).read_text(encoding="utf-8")
            os.utime(self._fact(key))
            return json.loads(text)
        except (OSError, ValueError):
            return None

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`."""
        path = self._fact(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.staging() as folder:
            (folder / "fact.json").write_text(json.dumps(value), encoding="utf-8")
            (folder / "fact.json").replace(path)

    def fact(self, inputs: Any, compute: Callable[[], Any], *, again: bool = False) -> Any:
        """What `compute` gave for equal `inputs`, now or earlier; JSON values both."""
        key = digest(inputs)
        known = None if again else self.recall(key)
        if known is None:
            known = compute()
            self.remember(key, known)
        return known

    def entries(self) -> list[tuple[Path, int, float]]:
        """Every step and fact with its bytes and time of last use, oldest use first."""
        rows = []
        for folder in (self.root / LAYOUT / "steps").glob("*/*"):
            with suppress(OSError):
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                rows.append((folder, size, (folder / "record.json").stat().st_mtime))
        for path in (self.root / LAYOUT / "facts").glob("*/*.json"):
            with suppress(OSError):
                rows.append((path, path.stat().st_size, path.stat().st_mtime))
        return sorted(rows, key=lambda row: row[2])

    def prune(self, limit: int | None = None) -> int:
        """Drop what was used longest ago until the rest fits `limit`; the bytes set free.

        What another process is using stays.
        """
        rows = self.entries()
        excess = sum(size for _, size, _ in rows) - (self.limit if limit is None else limit)
        freed = 0
        for path, size, _ in rows:
            if freed >= excess:
                break
            if path.is_file():
                path.unlink(missing_ok=True)
                freed += size
            elif _unused(path / "record.json"):
                self._discard(path)
                freed += size
        return freed

    def clear(self) -> int:
        """Drop all that no process is using; the bytes set free."""
        return self.prune(0)

    def _step(self, key: str) -> Path:
        return self.root / LAYOUT / "steps" / key[:2] / key

    def _fact(self, key: str) -> Path:
        return self.root / LAYOUT / "facts" / key[:2] / f"{key}.json"

    def _discard(self, folder: Path) -> None:
        with self.staging() as waste, suppress(OSError):
            folder.replace(waste / "waste")

    @staticmethod
    def _sweep(staging: Path) -> None:
        """Remove what killed processes left: their locks died with them."""
        for path in staging.glob("*.lock"):
            if _unused(path):
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)


def _unused(path: Path) -> bool:
    file: IO[str]
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def default_root() -> Path:
    """`OPTKIT_CACHE_DIR`, or the user's cache folder."""
    if folder := os.environ.get("OPTKIT_CACHE_DIR"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optkit"
