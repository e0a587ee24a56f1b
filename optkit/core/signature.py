"""A model's face: names, shapes, dtypes and layouts of what goes in and comes out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from optkit.core.errors import bad_input

DTYPES = (
    "float64", "float32", "float16", "bfloat16",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip

_SPEC = re.compile(r"^(?:(?P<name>[^=]+)=)?(?P<shape>[^:]*)(?::(?P<dtype>\w+))?$")
_RANGE = re.compile(r"^(\d+)\.\.(\d+)?$")


@dataclass(frozen=True)
class Dim:
    """A dynamic dimension, from `low` to `high` (None: without bound)."""

    low: int = 1
    high: int | None = None

    def __str__(self) -> str:
        return "?" if (self.low, self.high) == (1, None) else f"{self.low}..{self.high or ''}"


Shape = tuple[int | Dim, ...]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output; `shape` or `dtype` is None where the model does not tell."""

    name: str
    shape: Shape | None = None
    dtype: str | None = None
    layout: str | None = None

    @property
    def known(self) -> bool:
        """Whether an array for this tensor can be made."""
        return self.shape is not None and self.dtype is not None

    @property
    def dynamic(self) -> bool:
        """Whether any dimension may vary."""
        return any(isinstance(dim, Dim) for dim in self.shape or ())

    def __str__(self) -> str:
        shape = "unknown" if self.shape is None else ",".join(map(str, self.shape))
        return f"{self.name}={shape}:{self.dtype or 'unknown'}"


@dataclass(frozen=True)
class Signature:
    """Inputs in the order the network takes them, outputs in the order it gives them."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


def parse_dim(value: int | str) -> int | Dim:
    """`8`, `?` or `1..64` as a dimension.

    Raises:
        ValueError: for anything else.
    """
    text = str(value).strip()
    if text in {"?", "-1"}:
        return Dim()
    if match := _RANGE.match(text):
        low, high = int(match[1]), int(match[2]) if match[2] else None
        if high is not None and high < low:
            raise ValueError(f"'{text}' runs backwards")
        return low if low == high else Dim(low, high)
    if not text.isdigit():
        raise ValueError(f"'{text}' is no dimension; write a number, '?' or a range like 1..64")
    return int(text)


def parse_input(spec: str) -> TensorSpec:
    """`name=1,3,224,224:float32` as a tensor; name and dtype may be left out (name: '').

    Raises:
        OptkitError: bad input, with the expected form.
    """
    hint = "write it as name=1,3,224,224:float32; a dimension may be ? or a range like 1..64"
    match = _SPEC.match(spec.strip())
    if match is None:
        raise bad_input(f"cannot read --input '{spec}'", hint)
    dtype = match["dtype"]
    if dtype is not None and dtype not in DTYPES:
        raise bad_input(f"--input '{spec}': unknown dtype '{dtype}'", f"one of {', '.join(DTYPES)}")
    parts = match["shape"].split(",") if match["shape"].strip() else []
    try:
        shape = tuple(parse_dim(part) for part in parts)
    except ValueError as error:
        raise bad_input(f"--input '{spec}': {error}", hint) from None
    if not spec.strip() or any(_least(dim) < 1 for dim in shape):
        what = "it says nothing" if not spec.strip() else "a dimension is at least 1"
        raise bad_input(f"--input '{spec}': {what}", hint)
    return TensorSpec((match["name"] or "").strip(), shape, dtype)


def spec_to_json(spec: TensorSpec) -> dict[str, Any]:
    """One tensor as the manifest writes it; dynamic dimensions as '?' or '1..64'."""
    shape = None
    if spec.shape is not None:
        shape = [str(dim) if isinstance(dim, Dim) else dim for dim in spec.shape]
    out: dict[str, Any] = {"name": spec.name, "shape": shape, "dtype": spec.dtype}
    return out | ({"layout": spec.layout} if spec.layout else {})


def spec_from_json(data: Mapping[str, Any]) -> TensorSpec:
    """The inverse of `spec_to_json`."""
    shape = data.get("shape")
    dims = None if shape is None else tuple(parse_dim(dim) for dim in shape)
    return TensorSpec(data["name"], dims, data.get("dtype"), data.get("layout"))


def signature_to_json(signature: Signature) -> dict[str, Any]:
    """A signature as the manifest and the store write it."""
    return {
        "inputs": [spec_to_json(spec) for spec in signature.inputs],
        "outputs": [spec_to_json(spec) for spec in signature.outputs],
    }


def signature_from_json(data: Mapping[str, Any]) -> Signature:
    """The inverse of `signature_to_json`."""
    return Signature(
        tuple(spec_from_json(spec) for spec in data["inputs"]),
        tuple(spec_from_json(spec) for spec in data["outputs"]),
    )


def declare(signature: Signature, declared: tuple[TensorSpec, ...]) -> Signature:
    """The signature with the user's declarations laid over what the file tells.

    A declaration without a name goes to the input at its position.

    Raises:
        OptkitError: a name that the model lacks, or a rank that contradicts the file (bad input).
    """
    inputs = list(signature.inputs)
    names = [spec.name for spec in inputs]
    if len(declared) > len(inputs):
        raise bad_input(
            f"{len(declared)} inputs declared, the model takes {len(inputs)}: {', '.join(names)}",
            "drop the ones it does not take",
        )
    for position, wish in enumerate(declared):
        if wish.name and wish.name not in names:
            near = difflib.get_close_matches(wish.name, names, n=1)
            named = replace(wish, name=near[0] if near else names[position])
            raise bad_input(
                f"the model has no input '{wish.name}'; it takes {', '.join(names)}",
                f"--input {named}".removesuffix(":unknown"),
            )
        at = names.index(wish.name) if wish.name else position
        inputs[at] = _merge(inputs[at], wish)
    return replace(signature, inputs=tuple(inputs))


def _least(dim: int | Dim) -> int:
    return dim.low if isinstance(dim, Dim) else dim


def _merge(told: TensorSpec, wish: TensorSpec) -> TensorSpec:
    if told.shape is not None and wish.shape is not None and len(told.shape) != len(wish.shape):
        raise bad_input(
            f"input '{told.name}' has rank {len(told.shape)} in the model, rank {len(wish.shape)} "
            "as declared",
            f"the model's own: --input {told}",
        )
    return replace(
        told,
        shape=told.shape if wish.shape is None else wish.shape,
        dtype=wish.dtype or told.dtype,
        layout=wish.layout or told.layout,
    )
