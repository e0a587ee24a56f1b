"""The file `optkit.lock`: what is in it, and whether it is as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.core.errors import bad_input
from optkit.core.hashing import digest
from optkit.core.machine import machine
from optkit.core.release import VERSION
from optkit.core.writing import to_json
from optkit.engine.manifest import Proven, used_versions
from optkit.engine.stage import StepResult

FILE = "optkit.lock"
SCHEMA = "optkit/lock/2"

Row = dict[str, Any]


@dataclass(frozen=True)
class Lock:
    """A lock and where it was read from."""

    path: Path
    content: Mapping[str, Any]


_KEYS = {
    "model": str, "data": Mapping, "seed": int, "targets": Mapping, "versions": Mapping,
    "machine": Mapping,
}  # fmt: skip
_ANEW = "make it anew: optkit run RECIPE writes one into its output folder"


def make_lock(
    manifest: Mapping[str, Any], proofs: Sequence[Proven], files: Mapping[str, str]
) -> Row:
    """The content of a lock; nothing in it hangs on a clock, so that equal runs write equal ones.

    Args:
        manifest: of the run.
        proofs: its targets.
        files: SHA-256 of every file of the artifacts, by its path in the output folder.
    """
    content = {
        "schema": SCHEMA,
        "model": manifest["model"]["sha256"],
        "data": {name: manifest["data"][name]["sha256"] for name in ("calibration", "validation")},
        "seed": manifest["seed"],
        "targets": {proof.reached.artifact.format: _target(proof, files) for proof in proofs},
        "versions": {
            "optkit": VERSION,
            "python": manifest["environment"]["python"],
            **used_versions([step for proof in proofs for step in proof.reached.results]),
        },
        "machine": {key: machine()[key] for key in ("isa", "os")},
    }
    # as it will be read again: JSON knows fewer kinds of values
    plain = json.loads(to_json(content))
    return {**plain, "checksum": digest(plain)}


def read_lock(path: Path) -> Lock:
    """Read and check a lock.

    Raises:
        OptkitError: there is none, it is of another schema, or was edited (bad input).
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise bad_input(f"there is no lock at {path}", _ANEW) from None
    except OSError as error:
        raise bad_input(f"cannot read the lock {path}: {error.strerror}", "name a file") from None
    except (ValueError, RecursionError):
        raise bad_input(f"the lock {path} is no JSON", f"restore it, or {_ANEW}") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        told = f"has the schema '{schema}'" if isinstance(schema, str) else "names no schema"
        raise bad_input(f"the lock {path} {told}, this optkit reads '{SCHEMA}'", _ANEW)
    plain = {key: value for key, value in content.items() if key != "checksum"}
    if content.get("checksum") != digest(plain):
        raise bad_input(
            f"the lock {path} was edited: its content does not give its checksum",
            f"restore it from version control, or {_ANEW}",
        )
    for key, kind in _KEYS.items():
        if not isinstance(content.get(key), kind):
            raise bad_input(f"the lock {path} holds no {key}", _ANEW)
    return Lock(path, content)


def find_lock(recipe: Path, output: Path) -> Path:
    """The lock of a recipe where none is named: beside it, else in its output folder.

    Raises:
        OptkitError: there is none (bad input).
    """
    places = [recipe.parent / FILE, output / FILE]
    for place in places:
        if place.is_file():
            return place
    raise bad_input(
        f"there is no lock: neither {places[0]} nor {places[1]}",
        f"run the recipe once without --locked, keep its {FILE} beside the recipe, or name one: "
        "--lock FILE",
    )


def _target(proof: Proven, files: Mapping[str, str]) -> Row:
    artifact = proof.reached.artifact
    root = artifact.path.parent
    names = [file.relative_to(root).as_posix() for file in artifact.files]
    return {
        "path": artifact.path.name,
        "precision": proof.reached.target.precision,
        "sha256": artifact.digest,
        "files": {name: files[name] for name in names},
        "steps": [_step(step) for step in proof.reached.results],
    }


def _step(step: StepResult) -> Row:
    row = {
        "pass": step.name,
        "options": dict(step.options),
        "sha256": step.artifact.digest,
        "samples": step.samples,
        "decisions": [dict(one) for one in step.decisions],
    }
    return {
        key: value for key, value in row.items() if value or key not in {"samples", "decisions"}
    }
