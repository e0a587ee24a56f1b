"""The baseline's own model, to be timed beside the new one: out of the store, or named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.hashing import combined_digest
from optkit.core.preprocessing import preprocessing_from_json
from optkit.core.signature import signature_from_json
from optkit.core.store import Store
from optkit.engine.baseline.document import Baseline
from optkit.engine.source import read_model


def kept_model(sha256: str, store: Store) -> Artifact | None:
    """The artifact of a digest, where a step that made it is still in the store."""
    for key, record, digests in store.records():
        files = list(record.get("files", ()))
        if not files or any(name not in digests for name in files):
            continue
        if combined_digest({name: digests[name] for name in files}) != sha256:
            continue
        entry = store.find(key)
        if entry is None:  # damaged
            continue
        paths = tuple(entry.folder / name for name in files)
        return Artifact(
            record["format"],
            paths[0],
            paths,
            signature_from_json(record["signature"]),
            sha256,
            sum(path.stat().st_size for path in paths),
            preprocessing=preprocessing_from_json(record["preprocessing"]),
        )
    return None


def named_model(path: Path, baseline: Baseline, store: Store) -> Artifact:
    """The model that the user says is the baseline's.

    Raises:
        OptkitError: it is none, or not the one that the baseline was made from (bad input).
    """
    found = read_model(path, store)
    known = baseline.artifact(found.format)
    if known is None or known["sha256"] != found.digest:
        told = known["sha256"][:12] if known else f"no {found.format} model"
        raise bad_input(
            f"{path} is not the model that {baseline.path} was made from "
            f"({told}, the file is {found.digest[:12]})",
            "name the artifact of that run, or leave --baseline-model out",
        )
    return found


def fed_as(model: Artifact, result: Artifact) -> Artifact | None:
    """A model with the new one's signature; None where it takes other inputs."""
    told, wanted = (
        [(spec.name, spec.dtype) for spec in one.signature.inputs] for one in (model, result)
    )
    if told != wanted:
        return None
    if model.preprocessing or not result.preprocessing:
        return replace(model, signature=result.signature)
    return replace(model, signature=result.signature, preprocessing=result.preprocessing)
