"""Inputs made up from a signature, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optkit.core.hashing import digest
from optkit.core.samples import Samples
from optkit.core.signature import Dim, TensorSpec, spec_to_json
from optkit.data.fit import require_known

if TYPE_CHECKING:
    import numpy as np

_BATCH, _SIZE, _PIXELS = (1, 2), (16, 24), (64, 96)

_BLACK, _WHITE = -2.12, 2.64
"""Where photographs end, in standard deviations: the farthest of ImageNet's channels."""


def synthesise(
    inputs: tuple[TensorSpec, ...],
    count: int,
    seed: int,
    index_bounds: Mapping[str, int],
    *,
    variant: int = 0,
) -> Samples:
    """Samples without data.

    Images (rank 4) have a 1/f spectrum, zero mean and unit variance per channel, and end at black
    and white as photographs do; other floating inputs are standard normal. An integer input stays
    below its index bound, is 0 or 1 where none is known; a mask is ones with a few zeros at the end
    of its last axis; bool is random.

    Args:
        inputs: what the network takes, shapes and dtypes known.
        count: how many inputs to make.
        seed: with the input's name and the sample's index it decides every value.
        index_bounds: for an integer input, the rows of the table that it indexes.
        variant: which size dynamic dimensions take, see `concrete`.

    Raises:
        OptkitError: a shape or dtype is not known (bad input).
    """
    require_known(inputs)
    shapes = {spec.name: concrete(spec, variant, inputs) for spec in inputs}
    bounds = {spec.name: index_bounds.get(spec.name) for spec in inputs}

    def read(index: int) -> dict[str, np.ndarray]:
        return {
            spec.name: _array(spec, shapes[spec.name], bounds[spec.name], f"{seed}/{index}")
            for spec in inputs
        }

    made_from = [[spec_to_json(spec) for spec in inputs], count, seed, bounds, variant]
    return Samples(
        count=count,
        read=read,
        labels=None,
        origin="synthesised",
        digest=digest(["synthesised", *made_from]),
        source=f"{count} synthesised samples (seed {seed})",
    )


def concrete(spec: TensorSpec, variant: int, among: Sequence[TensorSpec] = ()) -> tuple[int, ...]:
    """A legal shape of a dynamic input.

    Inputs that are dynamic on the same axis get the same size there (batch, sequence length),
    as far as their ranges allow.

    Args:
        spec: the input, its shape known.
        variant: 0 for a small typical size, 1 for another one, where the range has two.
        among: all inputs of the network.
    """
    sizes = []
    for axis, dim in enumerate(spec.shape or ()):
        if not isinstance(dim, Dim):
            sizes.append(dim)
            continue
        same = [other for other in among if _dynamic_at(other, axis)] or [spec]
        ranges = [other.shape[axis] for other in same if other.shape]
        low = max(range_.low for range_ in ranges if isinstance(range_, Dim))
        highs = [r.high for r in ranges if isinstance(r, Dim) and r.high is not None]
        pixels = axis >= 1 and any(_image(other) for other in same)
        wanted = _BATCH if axis == 0 else _PIXELS if pixels else _SIZE
        size = _sizes(max(low, 1), min(highs, default=None), wanted)[variant]
        sizes.append(_clamped(size, max(dim.low, 1), dim.high))
    return tuple(sizes)


def _dynamic_at(spec: TensorSpec, axis: int) -> bool:
    shape = spec.shape or ()
    return axis < len(shape) and isinstance(shape[axis], Dim)


def _sizes(low: int, high: int | None, wanted: tuple[int, int]) -> tuple[int, int]:
    first, second = (_clamped(size, low, high) for size in wanted)
    if first == second:  # doubling keeps what a stride divides
        second = first * 2 if high is None or first * 2 <= high else max(low, first // 2)
    if first == second:
        second = first if high is None else high
    return first, second


def _clamped(size: int, low: int, high: int | None) -> int:
    return max(low, size if high is None else min(size, high))


def _image(spec: TensorSpec) -> bool:
    """Whether an input is NCHW or NHWC: declared so, or with one to four channels."""
    if spec.shape is None or len(spec.shape) != 4:
        return False
    return spec.layout in {"NCHW", "NHWC"} or 3 in {spec.shape[1], spec.shape[3]}


def _array(spec: TensorSpec, shape: tuple[int, ...], bound: int | None, key: str) -> np.ndarray:
    import numpy as np

    entropy = hashlib.sha256(f"{key}/{spec.name}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(entropy))
    dtype = np.dtype("float32" if spec.dtype == "bfloat16" else spec.dtype)
    floating = dtype.kind == "f"
    if floating and len(shape) == 4:
        return _picture(random, shape, spec).astype(dtype)
    if floating:
        return random.standard_normal(shape).astype(dtype)
    if bound is not None:
        top = min(max(bound, 1), np.iinfo(dtype).max + 1 if dtype.kind in "iu" else 2)
        return random.integers(0, top, shape).astype(dtype)
    if "mask" in spec.name.lower():
        return _mask(random, shape).astype(dtype)
    if dtype == np.uint8 and _image(spec):
        return (128 + 48 * _picture(random, shape, spec)).clip(0, 255).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def _mask(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Ones, then zeros over at most a fifth of the last axis; never a row of zeros alone."""
    import numpy as np

    length = shape[-1] if shape else 1
    kept = random.integers(length - length // 5, length + 1, (*shape[:-1], 1))
    return (np.arange(length) < kept).reshape(shape)


def _picture(random: np.random.Generator, shape: tuple[int, ...], spec: TensorSpec) -> np.ndarray:
    """Noise whose amplitude falls as 1/f over the spatial axes, the channels much alike."""
    import numpy as np

    last = spec.layout == "NHWC" or (
        spec.layout is None and shape[3] in {1, 3} and shape[1] not in {1, 3}
    )
    batch, *rest = shape
    height, width, channels = rest if last else (*rest[1:], rest[0])
    if height * width == 1:
        return random.standard_normal(shape)
    shared = random.standard_normal((batch, 1, height, width))
    own = random.standard_normal((batch, channels, height, width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    image = np.fft.irfft2(np.fft.rfft2(shared + 0.5 * own) / frequency, s=(height, width))
    image /= image.std(axis=(2, 3), keepdims=True)
    np.clip(image, _BLACK, _WHITE, out=image)
    return image.transpose(0, 2, 3, 1) if last else image
