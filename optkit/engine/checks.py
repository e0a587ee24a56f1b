"""The pass contract, enforced: what a pass gave must be what it declared."""

from __future__ import annotations

from pathlib import Path

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.contract import Pass
from optkit.core.errors import OptkitError
from optkit.core.signature import Signature


class TamperedError(Exception):
    """A pass changed its input: nothing that hangs on it can be trusted, on no route."""

    def __str__(self) -> str:
        return "the pass changed its input"


def checked(item: Pass, made: Artifact, output: Path) -> list[str]:
    """Hold what passes made against what the engine demands, whatever they say of it.

    Args:
        item: the last pass that had a hand in it.
        made: as the pass declares it: format, main file and signature.
        output: where it had to write.

    Returns:
        The model's files, the main one first, as seen from `output`.

    Raises:
        OptkitError: the pass broke the contract.
    """
    format_ = find_format(made.format)
    path = output / format_.FILE
    if made.path != path:
        raise broken(item, f"wrote its result to {made.path}, not to {path.name} in its folder")
    if not path.exists() or not format_.recognise(path):
        raise broken(item, f"wrote no {made.format} model")
    try:
        files = format_.files(path)
        found = format_.signature(Artifact(made.format, path, files, made.signature, "", 0))
    except OptkitError as error:  # it speaks as if the file were the user's
        raise broken(item, f"wrote a broken {made.format} model: {error.message}") from error
    _same_signature(item, made.signature, found)
    return [file.relative_to(output).as_posix() for file in files]


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
