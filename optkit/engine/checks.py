"""The pass contract, enforced: what a pass gave must be what it declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.contract import Outcome, Pass
from optkit.core.errors import OptkitError
from optkit.core.signature import Signature, signature_to_json


class TamperedError(Exception):
    """A pass changed its input: nothing that hangs on it can be trusted, on no route."""

    def __str__(self) -> str:
        return "the pass changed its input"


def checked(item: Pass, outcome: Outcome, artifact: Artifact, output: Path) -> dict[str, Any]:
    """Hold a pass's result against what the engine demands, whatever the pass says of it.

    Args:
        item: the pass.
        outcome: what it says.
        artifact: what it was given.
        output: where it had to write.

    Returns:
        What to record: format, files, signature; nothing where the input goes on as it is.

    Raises:
        OptkitError: the pass broke the contract.
    """
    name = item.gives or artifact.format
    if outcome.path is None:
        if name != artifact.format:
            raise broken(item, f"gave no {name} model")
        return {}
    format_ = find_format(name)
    path = output / format_.FILE
    if outcome.path != path:
        raise broken(item, f"wrote its result to {outcome.path}, not to {path.name} in its folder")
    if not path.exists() or not format_.recognise(path):
        raise broken(item, f"wrote no {name} model")
    expected = outcome.signature if item.changes_signature else None
    expected = expected or artifact.signature
    try:
        files = format_.files(path)
        found = format_.signature(Artifact(name, path, files, expected, "", 0))
    except OptkitError as error:  # it speaks as if the file were the user's
        raise broken(item, f"wrote a broken {name} model: {error.message}") from error
    _same_signature(item, expected, found)
    return {
        "format": name,
        "files": [file.relative_to(output).as_posix() for file in files],
        "signature": signature_to_json(expected),
    }


def _same_signature(item: Pass, expected: Signature, found: Signature) -> None:
    """Names, order and ranks as expected, as far as the format tells them."""
    sides = (("input", expected.inputs, found.inputs), ("output", expected.outputs, found.outputs))
    for side, wanted, got in sides:
        if not got:  # only a run would tell
            continue
        if [spec.name for spec in wanted] != [spec.name for spec in got]:
            names = ", ".join(spec.name for spec in wanted), ", ".join(spec.name for spec in got)
            raise broken(item, f"changed the {side}s from ({names[0]}) to ({names[1]})")
        for want, have in zip(wanted, got, strict=True):
            if want.shape and have.shape and len(want.shape) != len(have.shape):
                raise broken(item, f"changed the rank of {side} '{want.name}'")


def broken(item: Pass, what: str) -> OptkitError:
    """The error for a pass that does not keep the contract."""
    return OptkitError(f"the pass {what}", f"this is a fault of '{item.name}'; leave it out")


def stamps(artifact: Artifact) -> list[tuple[int, ...]]:
    """What changes when somebody writes to an artifact's files."""
    found = [file.stat() for file in artifact.files if file.exists()]
    return [(at.st_ino, at.st_size, at.st_mtime_ns) for at in found]
