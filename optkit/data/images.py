"""One image file becomes one array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class ImageOptions:
    """How an image becomes an array: decode, resize, times `scale`, minus `mean`, over `std`.

    Attributes:
        resize: (height, width) in pixels, bilinear, aspect ratio not kept; None: the input's own
            where it is fixed, else the image's.
        mean: per channel, or one value for all.
        std: per channel, or one value for all.
        layout: None: as the input declares, else told from where its channels are.
        scale: None: 1/255 for a floating input, 1 for an integer one.
    """

    resize: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    scale: float | None = None


@dataclass(frozen=True)
class Decoding:
    """The options made definite for one input.

    Attributes:
        layout: `NCHW` or `NHWC`.
        mode: Pillow's word for the channels.
        size: (height, width) in pixels, or None to keep the image's.
        scale: factor on the pixel values; None leaves them integers.
        mean: subtracted after scaling.
        std: divides last.
    """

    layout: str
    mode: str
    size: tuple[int, int] | None
    scale: float | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


def decoding(spec: TensorSpec, options: ImageOptions) -> Decoding:
    """How images are decoded for an input.

    Raises:
        OptkitError: the input is no image, or an option does not fit it (bad input).
    """
    shape = spec.shape or ()
    if len(shape) != 4:
        raise bad_input(
            f"input '{spec.name}' has rank {len(shape)}, images need 4",
            "give its samples as .npz or .npy",
        )
    layout = options.layout or spec.layout or _layout(spec)
    if layout not in {"NCHW", "NHWC"}:
        raise bad_input(
            f"cannot tell where the channels of input '{spec.name}' ({spec}) are",
            "set the option layout to NCHW or NHWC",
        )
    channels, height, width = (
        shape[axis] for axis in ((1, 2, 3) if layout == "NCHW" else (3, 1, 2))
    )
    count = channels if isinstance(channels, int) else 3
    if count not in _MODES:
        raise bad_input(
            f"input '{spec.name}' ({spec}) has {count} channels as {layout}; images have 1, 3 or 4",
            "set the option layout, or give the samples as .npz",
        )
    own = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    mean, std = options.mean or (), options.std or ()
    _check_values(spec, count, mean, std)
    if not (spec.dtype or "").startswith(("float", "bfloat")):
        if mean or std or options.scale not in {None, 1}:
            raise bad_input(
                f"input '{spec.name}' takes {spec.dtype}; scale, mean and std make floating values",
                "drop the options scale, mean and std",
            )
        return Decoding(layout, _MODES[count], options.resize or own, None, (), ())
    scale = 1 / 255 if options.scale is None else options.scale
    return Decoding(layout, _MODES[count], options.resize or own, scale, mean, std)


def open_image(path: Path) -> Image:
    """The image with its header read; pixels are decoded later.

    Raises:
        OptkitError: no image, or one of more than 8 bits per value (bad input).
    """
    from PIL import Image

    try:
        image = Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if image.mode.startswith(("I", "F")):
        image.close()
        raise bad_input(
            f"{path} has pixels of more than 8 bits (mode {image.mode})",
            "save it with 8 bits, or give the samples as .npz",
        )
    return image


def image_array(path: Path, how: Decoding) -> np.ndarray:
    """The image as (1, C, H, W) or (1, H, W, C), float32, or uint8 where nothing scales it.

    Raises:
        OptkitError: it cannot be decoded (bad input).
    """
    import numpy as np
    from PIL.Image import Resampling

    with open_image(path) as image:
        try:
            pixels = image.convert(how.mode)
        except (OSError, ValueError, SyntaxError) as error:
            raise _unreadable(path, error) from error
    if how.size is not None and pixels.size != how.size[::-1]:
        pixels = pixels.resize(how.size[::-1], Resampling.BILINEAR)
    array = np.asarray(pixels)
    array = array[..., None] if array.ndim == 2 else array
    if how.scale is not None:
        array = array.astype(np.float32) * np.float32(how.scale)
        array -= np.array(how.mean or 0, np.float32)
        array /= np.array(how.std or 1, np.float32)
    return (array.transpose(2, 0, 1) if how.layout == "NCHW" else array)[None]


def _layout(spec: TensorSpec) -> str:
    shape = spec.shape or ()
    for channels in ({1, 3}, {4}):
        if shape[1] in channels:
            return "NCHW"
        if shape[3] in channels:
            return "NHWC"
    return "unknown"


def _check_values(
    spec: TensorSpec, channels: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    for word, values in (("mean", mean), ("std", std)):
        if len(values) not in {0, 1, channels}:
            raise bad_input(
                f"{word} has {len(values)} values, input '{spec.name}' has {channels} channels",
                f"give 1 or {channels} values",
            )
    if any(value <= 0 for value in std):
        raise bad_input(f"std is {list(std)}", "every value must be above 0")


def _unreadable(path: Path, error: BaseException) -> OptkitError:
    return bad_input(f"cannot read the image {path}: {root_cause(error)}", "remove or replace it")
