"""The store: finished steps and measured facts, found again by what went into them.

A step lives in `steps/<key>/`: its files and, written last, `record.json`. It is built in a staging
folder and moved into place by one rename, so that it is there whole or not at all. Whoever uses a
step holds a shared lock on its record until the run ends; pruning passes it by. Steps are moved in
and out under one lock for the whole store, so that of two processes that build the same step, the
second finds and takes the first one's.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from optkit.core.errors import bad_input
from optkit.core.hashing import digest, file_digest
from optkit.core.staging import staging_folder

LAYOUT = "v2"
DEFAULT_LIMIT = 20 * 10**9

_RECORD = "record.json"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(frozen=True)
class Entry:
    """A finished step.

    Attributes:
        folder: where its files lie.
        record: what was recorded of it.
        digests: SHA-256 of each file, by its path inside the folder.
    """

    folder: Path
    record: Mapping[str, Any]
    digests: Mapping[str, str]


def default_root() -> Path:
    """`OPTKIT_CACHE_DIR`, or the user's cache folder."""
    if folder := os.environ.get("OPTKIT_CACHE_DIR"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optkit"


def default_limit() -> int:
    """`OPTKIT_CACHE_SIZE` in bytes, or 20 GB.

    Raises:
        OptkitError: it is no size (bad input).
    """
    text = os.environ.get("OPTKIT_CACHE_SIZE")
    return parse_size(text) if text else DEFAULT_LIMIT


def parse_size(text: str) -> int:
    """`500M` or `5G` as bytes (decimal units).

    Raises:
        OptkitError: it is no size (bad input).
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise bad_input(f"'{text}' is no size", "write it as 500M or 5G")
    return int(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True)
class Store:
    """A store's place and bound, and what this process uses of it.

    Attributes:
        root: the folder.
        limit: bytes at which the least recently used entries go, when a run ends.
        lasting: whether anything is to outlive the run.
    """

    root: Path
    limit: int = field(default_factory=default_limit)
    lasting: bool = True
    _locks: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)
    _used: dict[str, Entry] = field(default_factory=dict, repr=False, compare=False)
    _added: set[str] = field(default_factory=set, repr=False, compare=False)

    def __enter__(self) -> Store:
        """Make sure of the folder.

        Raises:
            OptkitError: nothing can be written there (bad input).
        """
        try:
            with self.staging(), self._alone():
                return self
        except OSError as error:
            raise bad_input(
                f"cannot write to the store {self.root}: {error.strerror}",
                "set OPTKIT_CACHE_DIR to a folder that you may write to, or add --no-cache",
            ) from None

    def __exit__(self, *_: object) -> None:
        self._locks.close()
        self._used.clear()
        if self._added and self.lasting:
            with suppress(OSError):  # what could not be dropped now goes another time
                self.prune()

    def staging(self) -> AbstractContextManager[Path]:
        """An empty folder inside the store; gone when the block ends."""
        return staging_folder(self.root / LAYOUT / "staging")

    def find(self, key: str) -> Entry | None:
        """The finished step under `key`, locked against pruning.

        None where there is none, or where its files are not what was once kept.
        """
        if key in self._used:
            return self._used[key]
        folder = self._step(key)
        try:
            record = (folder / _RECORD).open(encoding="utf-8")
        except OSError:
            return None
        fcntl.flock(record, fcntl.LOCK_SH)
        entry = _read(folder, record)
        if entry is None:
            record.close()
            return None
        with suppress(OSError):  # another user's entry is as good
            os.utime(folder / _RECORD)
        return self._use(key, entry, record)

    def keep(self, key: str, folder: Path, record: Mapping[str, Any]) -> Entry:
        """Move a staged folder in as the step `key`; a step that is there already wins."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
        document = {"record": record, "digests": digests}
        (folder / _RECORD).write_text(json.dumps(document, indent=1), encoding="utf-8")
        target = self._step(key)
        with self._alone():
            if known := self.find(key):
                return known
            lock = (folder / _RECORD).open(encoding="utf-8")
            fcntl.flock(lock, fcntl.LOCK_SH)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # damaged
                with self.staging() as waste:
                    target.replace(waste / "waste")
            folder.replace(target)
        self._added.add(key)
        # as a later run will read it
        return self._use(key, Entry(target, json.loads(json.dumps(record)), digests), lock)

    def unfinished(self, key: str) -> Path:
        """Where a step under `key` may keep what it can go on from, should it be killed.

        Nothing is there until the step makes the folder.
        """
        return self.root / LAYOUT / "unfinished" / key[:2] / key

    def finish(self, key: str) -> None:
        """Drop what a step kept for the case that it be killed."""
        shutil.rmtree(self.unfinished(key), ignore_errors=True)

    def recall(self, key: str) -> Any:
        """The fact under `key`; None where there is none, or where it is damaged."""
        path = self._fact(key)
        try:
            fact = json.loads(path.read_text(encoding="utf-8"))
            if fact["sha256"] != digest(fact["value"]):
                return None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        with suppress(OSError):
            os.utime(path)
        return fact["value"]

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`."""
        path = self._fact(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.staging() as folder:
            text = json.dumps({"value": value, "sha256": digest(value)})
            (folder / "fact.json").write_text(text, encoding="utf-8")
            (folder / "fact.json").replace(path)
        self._added.add(key)

    def fact(self, inputs: Any, compute: Callable[[], Any], *, again: bool = False) -> Any:
        """What `compute` gave for equal `inputs`, now or earlier; JSON values both."""
        key = digest(inputs)
        known = None if again else self.recall(key)
        if known is None:
            known = compute()
            self.remember(key, known)
        return known

    def entries(self) -> list[tuple[Path, int, float]]:
        """Every step and fact with its bytes and time of last use, oldest use first.

        What is left of steps that were killed counts as steps.
        """
        rows = []
        places = (self.root / LAYOUT / name for name in ("steps", "unfinished"))
        for folder in (path for place in places for path in place.glob("*/*")):
            with suppress(OSError):
                record = folder / _RECORD
                used = (record if record.exists() else folder).stat().st_mtime
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                rows.append((folder, size, used))
        for path in (self.root / LAYOUT / "facts").glob("*/*.json"):
            with suppress(OSError):
                rows.append((path, path.stat().st_size, path.stat().st_mtime))
        return sorted(rows, key=lambda row: row[2])

    def records(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, str]]]:
        """Every finished step: its key, what was recorded of it, and its files' digests.

        Whether the files are still what they were is for `find` to tell.
        """
        for path in (self.root / LAYOUT / "steps").glob(f"*/*/{_RECORD}"):
            with suppress(OSError, ValueError, TypeError, KeyError):
                document = json.loads(path.read_text(encoding="utf-8"))
                yield path.parent.name, document["record"], document["digests"]

    def prune(self, limit: int | None = None) -> int:
        """Drop what was used longest ago until the rest fits `limit`; the bytes set free.

        What a run is using stays.
        """
        rows = self.entries()
        excess = sum(size for _, size, _ in rows) - (self.limit if limit is None else limit)
        if excess <= 0:
            return 0
        freed = 0
        with self.staging() as waste, self._alone():
            for path, size, _ in rows:
                if freed >= excess:
                    break
                if _discard(path, waste):
                    freed += size
        return freed

    def clear(self) -> int:
        """Drop all that no run is using; the bytes set free."""
        return self.prune(0)

    def _step(self, key: str) -> Path:
        return self.root / LAYOUT / "steps" / key[:2] / key

    def _fact(self, key: str) -> Path:
        return self.root / LAYOUT / "facts" / key[:2] / f"{key}.json"

    def _use(self, key: str, entry: Entry, lock: IO[str]) -> Entry:
        self._locks.enter_context(lock)
        self._used[key] = entry
        return entry

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process moves steps in or out meanwhile."""
        with (self.root / LAYOUT / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(folder: Path, record: IO[str]) -> Entry | None:
    """An entry whose files are exactly what was kept."""
    try:
        document = json.load(record)
        entry = Entry(folder, document["record"], document["digests"])
        whole = all(file_digest(folder / name) == sha for name, sha in entry.digests.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if whole else None


def _discard(path: Path, waste: Path) -> bool:
    """Drop a fact, or a step that no run holds; whether it is gone."""
    try:
        if path.is_file():
            path.unlink()
            return True
        with ExitStack() as stack:
            with suppress(FileNotFoundError):
                lock = stack.enter_context((path / _RECORD).open(encoding="utf-8"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.replace(waste / path.name)
    except OSError:
        return False
    return True
