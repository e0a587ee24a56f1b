"""What every format needs while it reads a file."""

from __future__ import annotations

import zipfile
from pathlib import Path

from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import Dim, Signature, TensorSpec


def zip_members(path: Path) -> frozenset[str]:
    """Names in a torch archive without their top folder; empty where `path` is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.partition("/")[2] for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return frozenset()


def unreadable(path: Path, word: str, error: BaseException) -> OptkitError:
    """The error for a file that looks like a `word` and cannot be loaded as one."""
    return bad_input(
        f"cannot read '{path.name}' as {word}: {root_cause(error)}",
        "the file may be truncated or damaged; copy it again or export the model again",
    )


def implied_specs(signature: Signature) -> dict[str, str]:
    """A paste-ready `--input` for each input whose shape the file leaves open.

    A dynamic first dimension becomes 1, any other 16, both kept within their bounds.
    """
    return {
        spec.name: f"{spec.name}={','.join(map(str, example_shape(spec)))}:{spec.dtype}"
        for spec in signature.inputs
        if spec.known and spec.dynamic
    }


def example_shape(spec: TensorSpec) -> tuple[int, ...]:
    """One legal size of a tensor whose rank is known."""
    return tuple(
        _within(dim, 1 if axis == 0 else 16) if isinstance(dim, Dim) else dim
        for axis, dim in enumerate(spec.shape or ())
    )


def _within(dim: Dim, size: int) -> int:
    return max(dim.low, size if dim.high is None else min(size, dim.high))
