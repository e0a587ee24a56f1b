"""The `model` section of a recipe: the network and its inputs."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from optkit.core.signature import Dim, TensorSpec, parse_dim
from optkit.recipe.places import found
from optkit.recipe.words import DTYPE, Section, Text

LARGEST_DIMENSION = 2**63 - 1


def _dim(value: object) -> int | str:
    dim = None
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            dim = parse_dim(value)
    least = dim.low if isinstance(dim, Dim) else dim
    if least is None or not 1 <= least <= LARGEST_DIMENSION:
        raise PydanticCustomError(
            "dim",
            "a dimension must be a number, '?' or a range, found {found}",
            {"found": found(value), "hint": "write 8, '?' (in quotes) or 1..64"},
        )
    return dim if isinstance(dim, int) else str(dim)


Dimension = Annotated[int | str, BeforeValidator(_dim, json_schema_input_type=int | str)]


class InputSpec(Section):
    """One input of the network."""

    name: Text | None = Field(None, description="its name; without one, the input at this position")
    shape: tuple[Dimension, ...] | None = Field(
        None, description="its dimensions: a number each, '?' or a range like 1..64 for dynamic"
    )
    dtype: DTYPE | None = Field(None, description="its element type")
    layout: Annotated[str, Field(pattern="^[A-Z]+$")] | None = Field(
        None, description="a letter for each dimension, such as NCHW"
    )

    def tensor(self) -> TensorSpec:
        """The same as the signature writes it; name '' where there is none."""
        shape = None if self.shape is None else tuple(parse_dim(dim) for dim in self.shape)
        return TensorSpec(self.name or "", shape, self.dtype, self.layout)


class Model(Section):
    """The network to work on."""

    path: Text = Field(description="the model file, relative to the recipe")
    inputs: tuple[InputSpec, ...] = Field(
        (), description="inputs, as far as the file does not tell them"
    )
    factory: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = Field(
        None,
        description="package.module:callable that builds the network for weights without a graph; "
        "needs --trust-code",
    )

    @field_validator("inputs")
    @classmethod
    def _names_differ(cls, inputs: tuple[InputSpec, ...]) -> tuple[InputSpec, ...]:
        names = [spec.name for spec in inputs if spec.name]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "input_twice",
                    "the input '{name}' is declared twice",
                    {"name": name, "hint": "keep one, or correct a name"},
                )
        return inputs
