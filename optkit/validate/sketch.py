"""A few values of each tensor of a model: enough to tell which of another's is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.probing import Arrays, Infer, Probe

_VALUES = 2048
_FIRST = 16


@dataclass(frozen=True)
class Room:
    """What may be held at once, however large the model.

    Attributes:
        tensors: of one model, how many; one at least is.
        bytes: of one model's tensors together, as far as one alone is not larger.
    """

    tensors: int = 128
    bytes: int = 1 << 28


@dataclass(frozen=True)
class Sketch:
    """What is kept of a tensor on one sample.

    Attributes:
        shape: without axes of length 1: a reshape that only adds or drops those changes nothing.
        bytes: of the whole tensor.
        values: evenly spaced, at most 2048; mean 0 and norm 1, or all 0 where they are constant.
        nan: whether NaN or infinity is among the whole tensor's values, and which: `NaN`, `Inf`.
    """

    shape: tuple[int, ...]
    bytes: int
    values: np.ndarray
    nan: str | None


def survey(probe: Probe, feed: Arrays, room: Room) -> dict[str, Sketch]:
    """Sketches of all of a model's floating tensors on one input, by key.

    The model runs once for each part that has room.
    """
    sketches: dict[str, Sketch] = {}
    left, count = [tensor.key for tensor in probe.tensors], min(_FIRST, room.tensors)
    while left:
        part, left = left[:count], left[count:]
        given = _infer(probe.open(part), feed)
        for key, value in given.items():
            sketches[key] = sketch(value)
        del given
        largest = max((one.bytes for one in sketches.values()), default=1)
        count = max(1, min(room.tensors, room.bytes // max(largest, 1)))
    return sketches


def sketch(value: np.ndarray) -> Sketch:
    """The sketch of one tensor."""
    import numpy as np

    shape = tuple(size for size in value.shape if size != 1)
    flat = value.reshape(-1)
    step = max(1, -(-flat.size // _VALUES))
    few = flat[::step].astype(np.float64)
    few = np.where(np.isfinite(few), few, 0)
    few -= few.mean() if few.size else 0
    norm = float(np.linalg.norm(few))
    nan = "NaN" if np.isnan(flat).any() else "Inf" if np.isinf(flat).any() else None
    values = (few / norm if norm else few).astype(np.float32)
    return Sketch(shape, value.nbytes, values, nan)


def likeness(left: Sequence[Sketch], right: Sequence[Sketch]) -> np.ndarray:
    """Correlation of every two of sketches that have the same shape."""
    import numpy as np

    table: np.ndarray = (
        np.stack([one.values for one in left]) @ np.stack([one.values for one in right]).T
    )
    return table


def parts(sizes: Mapping[str, int], room: Room) -> list[list[str]]:
    """Keys in order, cut into runs that have room.

    Args:
        sizes: bytes by key.
        room: what may be held at once.
    """
    found: list[list[str]] = []
    held = 0
    for key, size in sizes.items():
        if not found or len(found[-1]) >= room.tensors or held + size > room.bytes:
            found.append([])
            held = 0
        found[-1].append(key)
        held += size
    return found


def _infer(infer: Infer, feed: Arrays) -> dict[str, np.ndarray]:
    # a network may write into its input
    return dict(infer({name: array.copy() for name, array in feed.items()}))
