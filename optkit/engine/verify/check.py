"""Check an output folder by itself: its files, its signature, what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import Exit, OptkitError
from optkit.core.hashing import file_digest
from optkit.core.signature import spec_from_json
from optkit.core.store import Store
from optkit.engine.lock.document import FILE as LOCK
from optkit.engine.lock.document import read_lock
from optkit.engine.output import read_manifest
from optkit.engine.proof import inference
from optkit.engine.source import read_model
from optkit.engine.verify.kept import Kept, read_kept, thinned
from optkit.engine.workplace import Wishes, workplace

Row = dict[str, Any]

_SAME = 0.999
"""Least cosine to what the model gave when it was made: another processor rounds otherwise."""

_FARTHER = 0.001
"""What the cosine to the source's outputs may have lost since then."""


def verify(folder: Path, wishes: Wishes) -> Row:
    """Check an output folder against its own manifest, lock and samples.

    Returns:
        `status` (`ok` or `failed`), `folder`, and `checks`: rows with check, subject, held, told.

    Raises:
        OptkitError: the folder is none that a run wrote, or its lock is of another schema (bad
            input).
    """
    manifest = read_manifest(folder)
    checks = list(_documents(folder, manifest))
    locked = checks[0]["held"]
    lock = read_lock(folder / LOCK).content if locked else None
    with workplace(wishes) as store:
        for row in manifest["artifacts"]:
            checks += _artifact(folder, row, lock, store, wishes)
    status = "ok" if all(row["held"] for row in checks) else "failed"
    return {"folder": str(folder), "status": status, "checks": checks}


def _documents(folder: Path, manifest: Row) -> Iterator[Row]:
    """Whether the lock is whole, and the manifest tells the same."""
    try:
        lock = read_lock(folder / LOCK).content
    except OptkitError as error:
        if "schema" in error.message:
            raise
        yield _row("lock", LOCK, error.message)
        return
    yield _row("lock", LOCK)
    known = {target["path"]: target["sha256"] for target in lock["targets"].values()}
    told = {row["path"]: row["sha256"] for row in manifest["artifacts"]}
    pairs = {
        "model": (lock["model"], manifest["model"]["sha256"]),
        "seed": (lock["seed"], manifest["seed"]),
        "artifacts": (known, told),
        **{
            f"data.{name}": (lock["data"].get(name), manifest["data"][name]["sha256"])
            for name in ("calibration", "validation")
        },
    }
    differ = [name for name, (one, other) in pairs.items() if one != other]
    problem = f"not as {LOCK} has it: {', '.join(differ)}" if differ else ""
    yield _row("manifest", "optkit.json", problem)


def _artifact(
    folder: Path, row: Row, lock: Mapping[str, Any] | None, store: Store, wishes: Wishes
) -> list[Row]:
    name = row["path"]
    targets = lock["targets"].values() if lock else ()
    known = next((one for one in targets if one["path"] == name), None)
    files: Mapping[str, str] = known["files"] if known else {}
    checks = [_file(folder, file, digest) for file, digest in files.items()]
    if not all(check["held"] for check in checks):
        return checks  # what is not the model that was made has nothing to tell
    try:
        specs = tuple(spec_from_json(one) for one in row["inputs"])
        model = read_model(folder / name, store, inputs=specs, trusted=wishes.trusted)
    except OptkitError as error:
        if error.exit_code is Exit.BAD_INPUT and "--trust-code" in error.hint:
            raise
        return [*checks, _row("files" if not files else "signature", name, error.message)]
    if not files:  # the lock cannot be trusted; the manifest has one digest for all of them
        differs = model.digest != row["sha256"]
        checks = [_row("files", name, "was changed, by optkit.json" if differs else "")]
        if differs:
            return checks
    return [*checks, _signature(model, row), _fidelity(model, folder / row["samples"])]


def _file(folder: Path, name: str, known: str) -> Row:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return _row("files", name, "lies outside of the folder")
    try:
        found = file_digest(path)
    except OSError as error:
        return _row("files", name, f"cannot be read: {error.strerror}")
    problem = "" if found == known else f"was changed: {known[:12]} → {found[:12]}"
    return _row("files", name, problem, f"sha256 {known[:12]}")


def _signature(model: Artifact, row: Row) -> Row:
    """Names, order, dtypes and ranks, as far as the file tells them by itself."""
    problems, told = [], []
    for side in ("inputs", "outputs"):
        wanted = [spec_from_json(one) for one in row[side]]
        found = getattr(model.signature, side)
        told += [", ".join(spec.name for spec in wanted)]
        if not found:  # only a run would tell
            continue
        before, now = ([spec.name for spec in one] for one in (wanted, found))
        if before != now:
            problems.append(f"{side} ({', '.join(before)}) → ({', '.join(now)})")
            continue
        for want, have in zip(wanted, found, strict=True):
            ranks = want.shape and have.shape and len(want.shape) != len(have.shape)
            types = want.dtype and have.dtype and want.dtype != have.dtype
            if ranks or types:
                problems.append(f"{want} → {have}")
    return _row("signature", model.path.name, "; ".join(problems), " → ".join(told))


def _fidelity(model: Artifact, path: Path) -> Row:
    """What it answers to the inputs that were kept, against what it and the source answered."""
    name = model.path.name
    try:
        kept = read_kept(path)
    except FileNotFoundError:
        return _row("fidelity", name, f"{path.name} is gone")
    except (ValueError, OSError) as error:
        return _row("fidelity", name, f"{path.name}: {error}")
    infer = inference(model, Exit.FAILED)
    try:
        now = [thinned(infer(arrays)) for arrays in kept.inputs]
    except OptkitError as error:
        return _row("fidelity", name, error.message)
    return _judged(name, kept, now)


def _judged(name: str, kept: Kept, now: list[Any]) -> Row:
    problems, told = [], []
    for same, since, before in zip(
        _parity(kept.got, now), _parity(kept.expected, now), _parity(kept.expected, kept.got),
        strict=True,
    ):  # fmt: skip
        if same.problem:
            problems.append(f"{same.name}: {same.problem}")
        elif same.verdict == "compared" and same.cosine < _SAME:
            problems.append(f"{same.name}: cosine {same.cosine:.6f} to what it gave then")
        elif since.cosine is not None and before.cosine - since.cosine > _FARTHER:
            problems.append(
                f"{since.name}: cosine to the source {before.cosine:.6f} → {since.cosine:.6f}"
            )
        if since.cosine is not None:
            told.append(f"{since.name} cosine {since.cosine:.6f} to the source")
    samples = f"{len(now)} inputs kept" if not kept.derived else "an input made again"
    return _row("fidelity", name, "; ".join(problems), f"{', '.join(told)}, {samples}")


def _parity(reference: list[Any], candidate: list[Any]) -> list[Any]:
    from optkit.validate.parity import add, finish

    state: dict[str, Any] = {}
    for at, (expected, got) in enumerate(zip(reference, candidate, strict=True)):
        state = add(state, expected, got, at)
    return [finish(name, total) for name, total in state.items()]


def _row(check: str, subject: str, problem: str = "", told: str = "") -> Row:
    return {"check": check, "subject": subject, "held": not problem, "told": problem or told}
