"""An artifact: an immutable model on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optkit.core.preprocessing import Preprocessing
from optkit.core.signature import Signature


@dataclass(frozen=True)
class Artifact:
    """A model as a file or a folder; nothing ever changes it.

    Attributes:
        format: what it is, a file name under `optkit/formats`.
        path: the main file, or the folder.
        files: every file that belongs to it, the main one first.
        signature: inputs and outputs.
        digest: SHA-256 over the content of `files`.
        bytes: size of `files` together.
        lineage: the passes that made it, oldest first; empty for a source.
        preprocessing: what it does to its inputs before the source's own network, oldest first.
        factory: `package.module:callable` that builds the network which the weights belong to
            (format `module` alone).
        trusted: whether the user allowed this model's own code to run (`--trust-code`).
        root: the folder that this code is imported from first; the model's own if None.
    """

    format: str
    path: Path
    files: tuple[Path, ...]
    signature: Signature
    digest: str
    bytes: int
    lineage: tuple[str, ...] = ()
    preprocessing: tuple[Preprocessing, ...] = ()
    factory: str | None = None
    trusted: bool = False
    root: Path | None = None
