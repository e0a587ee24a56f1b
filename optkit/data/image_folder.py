"""A folder of images; sub-folders are classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.core.hashing import digest, files_digest
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data.assemble import Extent, assemble
from optkit.data.fit import Piece, batch, fit_piece
from optkit.data.images import ImageOptions, decoding, image_array, open_image
from optkit.data.listing import files_of

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset({
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip


def read_images(
    folder: Path, inputs: tuple[TensorSpec, ...], labels: str | None, options: ImageOptions | None
) -> Samples:
    """Samples of a folder of images, decoded one at a time, in the order of their paths.

    Sub-folders, in the order of their names (as text: 10 comes before 2), are the classes 0, 1, …;
    images that lie in none have no labels. Pixels come as stored: EXIF rotation is not applied.

    Raises:
        OptkitError: more than one input, an input that is no image, an option that does not fit
            it, a file that is no image, or labels asked for where there are none (bad input).
    """
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise bad_input(
            f"{folder} holds images, the network takes {len(inputs)} inputs: {names}",
            "give an .npz with one array per input",
        )
    options = options or ImageOptions()
    spec = inputs[0]
    how = decoding(spec, options)
    paths = files_of(folder, SUFFIXES)
    class_names, classes = _classes(folder, paths)
    if classes is None and labels is not None:
        raise bad_input(
            f"the images in {folder} have no labels '{labels}'",
            "put the images of each class in a sub-folder of its own",
        )
    for path in paths:
        open_image(path).close()

    def load(index: int) -> Piece:
        array = image_array(paths[index], how)
        return fit_piece(
            {spec.name: array}, None, inputs, {spec.name: spec.name}, str(paths[index])
        )

    samples = assemble(
        load,
        [Extent({spec.name: 1}, frozenset(), labelled=False)] * len(paths),
        inputs,
        source=str(folder),
        digest=digest([files_digest(paths, folder), class_names, asdict(options)]),
    )
    load(0)  # a size that the input refuses is told now
    return samples if classes is None else replace(samples, labels=_labels(classes, batch(spec)))


def _classes(folder: Path, paths: list[Path]) -> tuple[list[str], list[int] | None]:
    """The class names, and the class of each image; None where images lie in the folder itself."""
    loose = [path for path in paths if path.parent == folder]
    if len(loose) == len(paths):
        return [], None
    if loose:
        raise bad_input(
            f"{folder} holds images both in sub-folders and beside them, such as {loose[0].name}",
            "put each image in the sub-folder of its class, or all in one folder",
        )
    names = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    number = {name: index for index, name in enumerate(names)}
    return names, [number[path.relative_to(folder).parts[0]] for path in paths]


def _labels(classes: list[int], step: int) -> Callable[[int], np.ndarray]:
    def read(index: int) -> np.ndarray:
        import numpy as np

        return np.array(classes[index * step : (index + 1) * step], dtype=np.int64)

    return read
