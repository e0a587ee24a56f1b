"""The types that keys of a recipe share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PRECISION = Literal["fp32", "fp16", "int8", "w8a16", "w4a16"]
SCENARIO = Literal["single-stream", "multi-stream", "offline", "server"]
DTYPE = Literal[
    "float64", "float32", "float16", "bfloat16",
    "int64", "int32", "int16", "int8", "uint8", "bool",
]  # fmt: skip

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]


class Section(BaseModel):
    """A mapping of a recipe: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def one_or_list(value: object) -> object:
    """A word by itself stands for a list of one."""
    return (value,) if isinstance(value, str) else value
