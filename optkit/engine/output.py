"""The output folder: it appears whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.disk import is_disk_full
from optkit.core.errors import OptkitError, bad_input
from optkit.core.hashing import combined_digest, file_digest
from optkit.core.staging import staging_folder
from optkit.engine.manifest import SCHEMA

NO_FILES: Mapping[str, Path] = {}

MANIFEST = "optkit.json"


def check_output(folder: Path, *, force: bool, spare: Sequence[Path] = ()) -> None:
    """Refuse a place where the output cannot or should not go, before any work is done.

    A folder that holds an `optkit.json` will be replaced as a whole.

    Args:
        folder: the place.
        force: a folder that optkit did not write may be replaced too.
        spare: what must not be replaced along with the folder, such as the run's own model.

    Raises:
        OptkitError: bad input: a file, somebody else's folder, one that holds what is to be
            spared, or not writable.
    """
    try:
        _refuse(folder, force=force, spare=spare)
        _probe(folder)
    except OSError as error:
        raise bad_input(
            f"cannot write the output to {folder}: {error.strerror}",
            "name another folder with -o",
        ) from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an output folder.

    Raises:
        OptkitError: the folder holds none, or a broken one (bad input).
    """
    fix = "name a folder that optkit run or optkit convert wrote"
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise bad_input(f"the folder {folder} {what}", fix)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise bad_input(f"{folder} is no output folder: it holds no {MANIFEST}", fix) from None
    except OSError as error:
        raise bad_input(f"cannot read {folder / MANIFEST}: {error.strerror}", fix) from None
    except ValueError:
        raise bad_input(f"{folder / MANIFEST} is no JSON", "make the folder anew") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise bad_input(
            f"{folder / MANIFEST} has the schema '{schema}', this optkit reads '{SCHEMA}'",
            "make the folder anew",
        )
    return dict(manifest)


def _refuse(folder: Path, *, force: bool, spare: Sequence[Path]) -> None:
    if folder.is_symlink() and not folder.exists():
        raise bad_input(f"the output {folder} is a link to nothing", "name a folder with -o")
    if folder.exists() and not folder.is_dir():
        raise bad_input(f"the output {folder} is a file", "name a folder with -o")
    for path in (Path.cwd(), *spare):
        if path.resolve().is_relative_to(folder.resolve()):
            what = "is or holds the current folder" if path == Path.cwd() else f"holds {path}"
            raise bad_input(
                f"the output folder {folder} {what}, and is replaced as a whole",
                "name another folder with -o",
            )
    foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()
    if foreign and not force:
        raise bad_input(
            f"the output folder {folder} holds files that optkit did not write",
            "name another folder with -o, or replace it with --force",
        )


def _probe(folder: Path) -> None:
    """Write beside the place, or where its parents will come to lie."""
    existing = folder.resolve().parent
    while not existing.exists():
        existing = existing.parent
    with tempfile.TemporaryDirectory(prefix=".optkit-", dir=existing):
        pass


def write_output(
    folder: Path,
    artifacts: Sequence[Artifact],
    documents: Mapping[str, str],
    *,
    files: Mapping[str, Path] = NO_FILES,
    sealed: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {},
) -> None:
    """Write artifacts and documents beside the folder's place, then move them in by a rename.

    Args:
        folder: the place.
        artifacts: the models that go in.
        documents: text files by name.
        files: other files by name, to be copied.
        sealed: gives further documents from the SHA-256 of every file of the artifacts.

    Raises:
        OptkitError: the disk is full, or an artifact does not arrive as it was.
    """
    try:
        with _replacing(folder) as staging:
            digests: dict[str, str] = {}
            for artifact in artifacts:
                digests |= _copy(artifact, staging)
            for name, path in files.items():
                shutil.copyfile(path, staging / name)
            for name, text in {**documents, **sealed(digests)}.items():
                (staging / name).write_text(text, encoding="utf-8")
    except OSError as error:
        if is_disk_full(error, folder.absolute().parent):
            raise OptkitError(
                f"no space left on the disk of {folder} (writing the output)",
                "free some space, or name a folder on another disk with -o; the steps are kept",
            ) from error
        raise OptkitError(
            f"cannot write {folder}: {error.strerror}", "name another with -o"
        ) from error


def _copy(artifact: Artifact, folder: Path) -> dict[str, str]:
    """Copy a model's files; the SHA-256 of each, by its path in the folder."""
    root = artifact.path.parent
    digests = {}
    for file in artifact.files:
        target = folder / file.relative_to(root)
        if target.exists():
            raise OptkitError(
                f"two of the artifacts have a file named {target.name}",
                "make them one at a time: a single word after --to, and -o for each",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        name = file.relative_to(root).as_posix()
        digests[name] = file_digest(Path(shutil.copyfile(file, target)))
    if combined_digest(digests) != artifact.digest:
        raise OptkitError(
            f"the {artifact.format} model in the store is not what was written there",
            "drop the store's damaged entries: optkit cache clear",
        )
    return digests


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    folder = folder.resolve()
    with staging_folder(folder.parent, f".{folder.name}.optkit-") as staging:
        fresh, aside = staging / "new", staging / "old"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.replace(aside)
        try:
            fresh.replace(folder)
        except BaseException:
            with suppress(OSError):
                aside.replace(folder)
            raise
