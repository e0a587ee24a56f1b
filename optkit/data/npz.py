"""An `.npz` file: one array per input, labels under the named key."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input, root_cause
from optkit.core.hashing import digest, file_digest
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data.assemble import assemble, survey
from optkit.data.fit import Piece, choose, fit_piece

if TYPE_CHECKING:
    import numpy as np

CORRUPT = (
    ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError,
    RuntimeError, SyntaxError, MemoryError,
)  # fmt: skip


def read_npz(path: Path, inputs: tuple[TensorSpec, ...], labels: str | None) -> Samples:
    """Samples of one file, which is held in memory.

    Raises:
        OptkitError: not readable, or its arrays do not fit the inputs (bad input).
    """
    piece = load_npz(path, inputs, labels)
    extents = survey(lambda _: piece, 1, inputs)
    return assemble(
        lambda _: piece,
        extents,
        inputs,
        source=str(path),
        digest=digest([file_digest(path), labels]),
    )


def load_npz(
    path: Path, inputs: tuple[TensorSpec, ...], labels: str | None, *, bare: bool = False
) -> Piece:
    """The arrays of one file, fitted to the inputs.

    Raises:
        OptkitError: not readable, or its arrays do not fit the inputs (bad input).
    """
    keys = choose(_names(path), inputs, labels, str(path))
    arrays = _arrays(path, {*keys.values(), *([] if labels is None else [labels])})
    of_labels = None if labels is None else arrays[labels]
    return fit_piece(arrays, of_labels, inputs, keys, str(path), bare=bare)


def unreadable(path: Path, error: BaseException) -> Exception:
    """The error for a file of arrays that numpy cannot read, or must not unpickle."""
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return bad_input(
            f"{path} holds pickled objects, which could run code; they are never loaded",
            "save plain arrays of numbers: numpy.savez(path, name=array)",
        )
    return bad_input(
        f"cannot read {path}: {root_cause(error)}", "write it with numpy.savez or numpy.save"
    )


def _names(path: Path) -> list[str]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return list(file.files)
    except CORRUPT as error:
        raise unreadable(path, error) from error


def _arrays(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in sorted(keys)}
    except CORRUPT as error:
        raise unreadable(path, error) from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise bad_input(f"'{key}' in {path} is not an array", "write it with numpy.savez")
    return arrays
