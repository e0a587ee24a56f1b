"""A folder of `.npy` or `.npz` files: each a sample or a batch, in the order of their names."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from optkit.core.errors import bad_input
from optkit.core.hashing import digest, files_digest
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data.assemble import Extent, assemble, survey
from optkit.data.fit import Piece, fit_piece
from optkit.data.listing import files_of
from optkit.data.npy import load_array, load_npy
from optkit.data.npz import load_npz
from optkit.data.values import require_finite

SUFFIXES = frozenset({".npy", ".npz"})


def read_folder(folder: Path, inputs: tuple[TensorSpec, ...], labels: str | None) -> Samples:
    """Samples of a folder, one file at a time in memory.

    Labels are the rows of `labels.npy` (or `<labels>.npy`) beside the samples, in their order, or
    stand under the named key of each `.npz`.

    Raises:
        OptkitError: a file that is not readable or does not fit, or labels that are not there or
            not as many as samples (bad input).
    """
    paths = files_of(folder, SUFFIXES)
    beside = folder / f"{labels or 'labels'}.npy"
    files = [path for path in paths if path != beside]
    if not files:
        raise bad_input(f"{folder} holds no samples", "put .npy or .npz files there")
    key = None if beside in paths else labels

    def load(index: int) -> Piece:
        return _load(files[index], inputs, key)

    extents = survey(load, len(files), inputs)
    identity = digest([files_digest(paths, folder), labels])
    if beside not in paths:
        return assemble(load, extents, inputs, source=str(folder), digest=identity)
    return _labelled(folder, files, beside, inputs, extents, identity)


def _load(path: Path, inputs: tuple[TensorSpec, ...], key: str | None) -> Piece:
    if path.suffix.lower() == ".npz":
        return load_npz(path, inputs, key, bare=True)
    if key is not None:
        raise bad_input(
            f"no labels for {path}: there is no {key}.npy in {path.parent}",
            f"save the labels of all samples, in order of file names, as {key}.npy",
        )
    return load_npy(path, inputs, bare=True)


def _labelled(
    folder: Path,
    files: list[Path],
    beside: Path,
    inputs: tuple[TensorSpec, ...],
    extents: list[Extent],
    identity: str,
) -> Samples:
    """The folder with the labels that lie beside its samples."""
    labels = load_array(beside)
    first = inputs[0].name
    starts = list(accumulate((extent.rows[first] for extent in extents), initial=0))
    if labels.ndim == 0 or len(labels) != starts[-1]:
        raise bad_input(
            f"{beside} has shape {labels.shape} for {starts[-1]} samples in {folder}",
            "give one label per sample, in order of file names",
        )

    def load(index: int) -> Piece:
        arrays = _load(files[index], inputs, None).arrays
        rows = labels[starts[index] : starts[index + 1]]
        return fit_piece(arrays, rows, inputs, {name: name for name in arrays}, str(files[index]))

    extents = [Extent(extent.rows, extent.whole, labelled=True) for extent in extents]
    load(0)  # labels that do not fit are told now
    require_finite(labels, str(beside))
    return assemble(load, extents, inputs, source=str(folder), digest=identity)
