"""Values of an array: cast without loss, and finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optkit.core.errors import bad_input

if TYPE_CHECKING:
    import numpy as np


def cast(array: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """The array in the input's dtype; bfloat16, which numpy lacks, stays float32.

    Raises:
        OptkitError: values would be lost (bad input).
    """
    import numpy as np

    target = np.dtype("float32" if dtype == "bfloat16" else dtype)
    kinds = {"f": "f", "b": "biuf", "i": "iufb", "u": "iufb"}
    if target.kind not in kinds.get(array.dtype.kind, ""):
        raise bad_input(f"{what} is {array.dtype}, the input takes {dtype}", f"save it as {dtype}")
    if array.dtype == target:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(target)
    if array.dtype.kind == "f":
        kept = np.isfinite(result) | ~np.isfinite(array)
    elif target.kind == "f" and array.dtype.kind != "b":
        exact = 2 ** (np.finfo(target).nmant + 1)  # up to here every integer has its own float
        kept = (array >= -exact) & (array <= exact)
    else:
        kept = result.astype(array.dtype) == array
        if array.dtype.kind == "i" and target.kind == "u":
            kept &= array >= 0
        if array.dtype.kind == "u" and target.kind == "i":
            kept &= result >= 0
    if not kept.all():
        at = _first_index(~kept)
        raise bad_input(
            f"{what} is {array.dtype} and does not fit {dtype}: {array[at]} at index {_show(at)}",
            f"save it as {dtype}",
        )
    return result


def require_finite(array: np.ndarray, what: str) -> None:
    """Refuse NaN and Inf.

    Raises:
        OptkitError: naming the first index (bad input).
    """
    import numpy as np

    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    at = _first_index(~np.isfinite(array))
    word = "NaN" if np.isnan(array[at]) else "Inf"
    raise bad_input(f"{what} holds {word}, first at index {_show(at)}", "remove or repair it")


def _first_index(wrong: np.ndarray) -> tuple[int, ...]:
    import numpy as np

    return tuple(int(at) for at in np.unravel_index(int(wrong.argmax()), wrong.shape))


def _show(index: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, index))}]"
