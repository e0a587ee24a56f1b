"""The arithmetic between an image and what a network takes, where it has become part of a model.

A result that takes raw images is still compared with a source that takes prepared ones: `raw` and
`prepared` take the samples of one to those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Preprocessing:
    """What a pass put in front of a network: x = factor · image + shift, axes and channels turned.

    Attributes:
        input: the name of the input.
        factor: on the image's values, one for each channel of x, none of them 0.
        shift: added last, one for each channel of x.
        axis: where x has its channels.
        reverse: whether the image has its channels in reverse order.
        permutation: what takes the image's axes to those of x; None where they are the same.
        image: dtype of the image, `uint8` or a floating one.
        network: dtype of x, a floating one.
    """

    input: str
    factor: tuple[float, ...]
    shift: tuple[float, ...]
    axis: int
    reverse: bool
    permutation: tuple[int, ...] | None
    image: str
    network: str


def prepared(image: np.ndarray, steps: Sequence[Preprocessing]) -> np.ndarray:
    """What the network takes for an image; the last step is what the image meets first."""
    import numpy as np

    for step in reversed(steps):
        x = np.asarray(image, np.float64)
        if step.permutation is not None:
            x = x.transpose(step.permutation)
        if step.reverse:
            x = np.flip(x, step.axis)
        x = x * _along(step.factor, step, x) + _along(step.shift, step, x)
        image = x.astype(step.network)
    return image


def raw(x: np.ndarray, steps: Sequence[Preprocessing]) -> np.ndarray:
    """The image that is nearest to being prepared to `x`, within what its dtype holds."""
    import numpy as np

    for step in steps:
        image = (np.asarray(x, np.float64) - _along(step.shift, step, x)) / _along(
            step.factor, step, x
        )
        if step.reverse:
            image = np.flip(image, step.axis)
        if step.permutation is not None:
            image = image.transpose(np.argsort(step.permutation))
        if np.dtype(step.image).kind == "u":
            image = np.clip(np.rint(image), 0, np.iinfo(step.image).max)
        x = np.ascontiguousarray(image.astype(step.image))
    return x


def raw_inputs(arrays: Arrays, steps: Sequence[Preprocessing]) -> Arrays:
    """Inputs of the source as those of a model that prepares them itself."""
    return {name: raw(array, _of(name, steps)) for name, array in arrays.items()}


def prepared_inputs(arrays: Arrays, steps: Sequence[Preprocessing]) -> Arrays:
    """The opposite of `raw_inputs`."""
    return {name: prepared(array, _of(name, steps)) for name, array in arrays.items()}


def preprocessing_to_json(steps: Sequence[Preprocessing]) -> list[dict[str, Any]]:
    """As the store keeps it."""
    return [asdict(step) for step in steps]


def preprocessing_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Preprocessing, ...]:
    """The opposite of `preprocessing_to_json`."""

    def step(row: Mapping[str, Any]) -> Preprocessing:
        told: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
        }
        return Preprocessing(**told)

    return tuple(step(row) for row in rows)


def _of(name: str, steps: Sequence[Preprocessing]) -> list[Preprocessing]:
    return [step for step in steps if step.input == name]


def _along(values: Sequence[float], step: Preprocessing, x: np.ndarray) -> np.ndarray:
    """One value per channel, shaped to meet x."""
    import numpy as np

    sides = [1] * x.ndim
    sides[step.axis] = len(values)
    return np.array(values, np.float64).reshape(sides)
