"""Makes arrays fit the inputs of a network, or says why they do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.core.signature import Dim, TensorSpec
from optkit.data.values import cast, require_finite

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Piece:
    """The arrays of one file, or of one item of the user's own code.

    Attributes:
        arrays: one per input, in the input's dtype: of its own rank, samples along axis 0, or of
            rank + 1, whole inputs along axis 0.
        labels: with the leading axes of the first input's array, or None.
    """

    arrays: Arrays
    labels: np.ndarray | None


def require_known(inputs: tuple[TensorSpec, ...]) -> None:
    """Refuse inputs for which no array can be made.

    Raises:
        OptkitError: a shape or dtype is not known (bad input).
    """
    for spec in inputs:
        if not spec.known:
            raise bad_input(
                f"the shape or dtype of input '{spec.name}' is not known ({spec})",
                f"declare it: --input {spec.name}=1,3,224,224:float32",
            )


def choose(
    present: Collection[str], inputs: tuple[TensorSpec, ...], labels: str | None, where: str
) -> dict[str, str]:
    """Which array goes to which input, by name.

    A network of one input takes the only array there is, whatever its name.

    Raises:
        OptkitError: an input without array, or no array of the labels' name (bad input).
    """
    listed = ", ".join(present) or "none"
    if labels is not None and labels not in present:
        raise bad_input(f"{where} has no labels '{labels}'", f"arrays in it: {listed}")
    others = [name for name in present if name != labels]
    if len(inputs) == 1 and inputs[0].name not in others and len(others) == 1:
        return {inputs[0].name: others[0]}
    for spec in inputs:
        if spec.name not in others:
            raise bad_input(
                f"{where} has no array for input '{spec.name}'; arrays in it: {listed}",
                f"name one of them '{spec.name}'"
                + ("" if labels else ", and say which holds labels: --labels NAME"),
            )
    return {spec.name: spec.name for spec in inputs}


def fit_piece(
    arrays: Arrays,
    labels: np.ndarray | None,
    inputs: tuple[TensorSpec, ...],
    keys: Mapping[str, str],
    where: str,
    *,
    bare: bool = False,
) -> Piece:
    """Check arrays against the inputs and cast them.

    Args:
        arrays: by their own names.
        labels: of these samples, or None.
        inputs: what the network takes.
        keys: array name by input name.
        where: what holds the arrays, for messages.
        bare: whether an array may be one sample without a batch axis.

    Raises:
        OptkitError: wrong shape, dtype or count, or a value that is not finite (bad input).
    """
    fitted = {}
    for spec in inputs:
        what = f"array '{keys[spec.name]}' of {where}"
        fitted[spec.name] = _fit(arrays[keys[spec.name]], spec, what, bare=bare)
    if labels is not None:
        first, array = inputs[0], arrays[keys[inputs[0].name]]
        alone = array.ndim == rank(first) - 1
        labels = _fit_labels(labels, fitted[first.name], rank(first), where, alone=alone)
    return Piece(fitted, labels)


def rank(spec: TensorSpec) -> int:
    """Number of axes of a known input."""
    return len(spec.shape or ())


def batch(spec: TensorSpec) -> int:
    """How many consecutive samples make one input: the fixed batch, or the least allowed."""
    if not spec.shape:
        return 1
    first = spec.shape[0]
    return max(1, first.low if isinstance(first, Dim) else first)


def _fit(array: np.ndarray, spec: TensorSpec, what: str, *, bare: bool) -> np.ndarray:
    shape, own = spec.shape or (), array.shape
    if bare and array.ndim == len(shape) - 1:
        array = array[None]
    expected = ",".join(map(str, ("N", *shape[1:]) if shape else ()))
    whole = ",".join(map(str, ("N", *shape)))
    allowed = shape[1:] if array.ndim == len(shape) else shape
    fits = array.ndim in {len(shape), len(shape) + 1} and all(
        map(_within, array.shape[1:], allowed)
    )
    if not fits:
        raise bad_input(
            f"{what} has shape ({','.join(map(str, own))}), input '{spec.name}' takes ({expected})",
            f"give N samples as ({expected}), or N whole inputs as ({whole})",
        )
    if array.size == 0:
        raise bad_input(f"{what} is empty: its shape is {own}", "give at least one sample")
    array = cast(array, spec.dtype or "float32", what)
    require_finite(array, what)
    return array if array.ndim else array[None]


def _within(size: int, dim: int | Dim) -> bool:
    if isinstance(dim, Dim):
        return dim.low <= size and (dim.high is None or size <= dim.high)
    return size == dim


def _fit_labels(
    labels: np.ndarray, first: np.ndarray, own_rank: int, where: str, *, alone: bool
) -> np.ndarray:
    """Labels with the leading axes of the first input: (N, …), or (N, batch, …) of whole inputs."""
    if labels.dtype.kind not in "biuf":
        raise bad_input(f"the labels of {where} are {labels.dtype}", "save them as numbers")
    require_finite(labels, f"the labels of {where}")
    if labels.ndim == 0 or (alone and labels.shape != (1,)):
        labels = labels[None]
    whole = first.ndim > own_rank and first.ndim > 1
    size = first.shape[1] if whole else 1
    if whole and size == 1 and labels.shape[1:2] != (1,):
        labels = labels[:, None]
    leading = first.shape[: 2 if whole else 1]
    if labels.shape[: len(leading)] != leading:
        raise bad_input(
            f"{where} has labels of shape {labels.shape} for {leading[0]} "
            + (f"inputs of batch {size}" if whole else "samples"),
            f"give labels of shape ({','.join(map(str, leading))},…)",
        )
    return labels
