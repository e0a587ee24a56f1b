"""An `.npy` file: the samples of a network with one input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.core.hashing import file_digest
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data.assemble import assemble, survey
from optkit.data.fit import Piece, fit_piece
from optkit.data.npz import CORRUPT, unreadable

if TYPE_CHECKING:
    import numpy as np


def read_npy(path: Path, inputs: tuple[TensorSpec, ...], labels: str | None) -> Samples:
    """Samples of one file, which is held in memory.

    Raises:
        OptkitError: labels were asked for, several inputs, not readable, or the array does not
            fit (bad input).
    """
    if labels is not None:
        raise bad_input(
            f"{path} is a single array and has no labels '{labels}'",
            f"save both in one file: numpy.savez(path, {inputs[0].name}=…, {labels}=…)",
        )
    piece = load_npy(path, inputs)
    extents = survey(lambda _: piece, 1, inputs)
    return assemble(lambda _: piece, extents, inputs, source=str(path), digest=file_digest(path))


def load_npy(
    path: Path,
    inputs: tuple[TensorSpec, ...],
    labels: np.ndarray | None = None,
    *,
    bare: bool = False,
) -> Piece:
    """The array of one file, fitted to the one input.

    Raises:
        OptkitError: several inputs, not readable, or the array does not fit (bad input).
    """
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise bad_input(
            f"{path} is a single array, the network takes {len(inputs)} inputs: {names}",
            "save one array per input: numpy.savez(path, "
            + ", ".join(f"{spec.name}=…" for spec in inputs)
            + ")",
        )
    name = inputs[0].name
    return fit_piece({name: load_array(path)}, labels, inputs, {name: name}, str(path), bare=bare)


def load_array(path: Path) -> np.ndarray:
    """One array, never unpickled.

    Raises:
        OptkitError: not readable (bad input).
    """
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except CORRUPT as error:
        raise unreadable(path, error) from error
    if not isinstance(array, np.ndarray):
        raise bad_input(f"{path} is not an .npy file", "write it with numpy.save")
    return array
