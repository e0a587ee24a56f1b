"""Reads samples from whatever the user gives; one file of this folder per kind."""

from __future__ import annotations

import re
from pathlib import Path

from optkit.core.errors import bad_input
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data import folder as arrays_folder
from optkit.data import image_folder
from optkit.data.custom import read_custom
from optkit.data.fit import require_known
from optkit.data.images import ImageOptions
from optkit.data.listing import files_of
from optkit.data.npy import read_npy
from optkit.data.npz import read_npz

_CALLABLE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def read_samples(
    path_or_spec: str,
    inputs: tuple[TensorSpec, ...],
    *,
    labels: str | None,
    images: ImageOptions | None,
    trusted: bool,
    root: Path,
) -> Samples:
    """Samples from an `.npz`, an `.npy`, a folder of those or of images, or `module:callable`.

    Args:
        path_or_spec: a path, relative to `root`, or a callable; a path that exists wins.
        inputs: what the network takes, shapes and dtypes known.
        labels: name of the labels' array, or None.
        images: how images become arrays, or None for the defaults.
        trusted: whether the user's code may run.
        root: the folder of the recipe, or the current one.

    Raises:
        OptkitError: nothing there, not readable, or not what the network takes (bad input).
    """
    require_known(inputs)
    if not inputs:
        raise bad_input("the network takes no inputs", "run it without data")
    path = root / Path(path_or_spec).expanduser()
    if not path.exists():
        if _CALLABLE.match(path_or_spec):
            return read_custom(path_or_spec, inputs, labels, trusted=trusted, root=root)
        raise bad_input(
            f"there is no data at {path}",
            "give an .npz, an .npy, a folder of those or of images, or module:callable",
        )
    if path.is_dir():
        return _read_folder(path, inputs, labels, images)
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise bad_input(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    if head[:2] == b"PK":
        return read_npz(path, inputs, labels)
    if head == b"\x93NUMPY":
        return read_npy(path, inputs, labels)
    raise bad_input(
        f"{path} is neither .npz nor .npy by its content",
        "write it with numpy.savez; images go in a folder",
    )


def _read_folder(
    path: Path, inputs: tuple[TensorSpec, ...], labels: str | None, images: ImageOptions | None
) -> Samples:
    arrays, pictures = (files_of(path, kind.SUFFIXES) for kind in (arrays_folder, image_folder))
    if arrays and pictures:
        raise bad_input(f"{path} holds both arrays and images", "put them in folders of their own")
    if arrays:
        return arrays_folder.read_folder(path, inputs, labels)
    if pictures:
        return image_folder.read_images(path, inputs, labels, images)
    raise bad_input(
        f"{path} holds no .npy, no .npz and no images", "put samples there, or give another folder"
    )
