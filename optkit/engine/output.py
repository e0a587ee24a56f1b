"""The output folder: it appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input
from optkit.core.hashing import files_digest
from optkit.engine.steps import disk_full, is_disk_full

MANIFEST = "optkit.json"


def check_output(folder: Path, *, force: bool) -> None:
    """Refuse a place where the output cannot or should not go, before any work is done.

    A folder that holds an `optkit.json` will be replaced as a whole.

    Raises:
        OptkitError: bad input: a file, somebody else's folder, or not writable.
    """
    if folder.is_file():
        raise bad_input(f"the output {folder} is a file", "name a folder with -o")
    foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()
    if foreign and not force:
        raise bad_input(
            f"the output folder {folder} holds files that optkit did not write",
            "name another folder with -o, or replace it with --force",
        )
    existing = folder.absolute().parent
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise bad_input(f"cannot write to {existing}", "name another folder with -o")


def write_output(folder: Path, artifacts: Sequence[Artifact], documents: Mapping[str, str]) -> None:
    """Write artifacts and documents beside the folder's place, then move them in by a rename.

    Args:
        folder: the place.
        artifacts: the models that go in.
        documents: text files by name.

    Raises:
        OptkitError: the disk is full, or an artifact does not arrive as it was.
    """
    try:
        with _replacing(folder) as staging:
            for artifact in artifacts:
                _copy(artifact, staging)
            for name, text in documents.items():
                (staging / name).write_text(text, encoding="utf-8")
    except OSError as error:
        if is_disk_full(error, folder.absolute().parent):
            raise disk_full("writing the output", folder.absolute().parent) from error
        raise OptkitError(
            f"cannot write {folder}: {error.strerror}", "name another with -o"
        ) from error


def to_json(manifest: Any) -> str:
    """JSON as optkit writes it; a figure that is no number becomes null."""
    return json.dumps(_finite(manifest), indent=2, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None  # noqa: PLR0124
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _copy(artifact: Artifact, folder: Path) -> None:
    root = artifact.path.parent
    copies = []
    for file in artifact.files:
        target = folder / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        copies.append(Path(shutil.copyfile(file, target)))
    if files_digest(copies, folder) != artifact.digest:
        raise OptkitError(
            f"the {artifact.format} model in the store is not what was written there",
            "drop the store's damaged entries: optkit cache clear",
        )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    staging.chmod(0o777 & ~_umask())
    try:
        yield staging
        aside = staging.with_name(staging.name + ".old")
        if folder.exists():
            folder.replace(aside)
        try:
            staging.replace(folder)
        except OSError:
            with suppress(OSError):
                aside.replace(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
