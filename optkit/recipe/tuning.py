"""The `tune` section of a recipe: what a search looks for, among what, within which bounds."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

from optkit.catalogue import did_you_mean, format_names, unknown
from optkit.core.errors import bad_input
from optkit.core.settings import Api, Hint, InferPrecision, Mode
from optkit.recipe.gates import Bound

Objective = Literal["latency", "throughput"]

PRECISIONS = ("fp32", "fp16", "int8", "w8a16", "w4a16")

TIMED = {
    **{
        f"latency_p{percent}_ms": f"{percent} % of the latencies, in milliseconds"
        for percent in (50, 90, 95, 99)
    },
    "throughput_per_s": "inputs per second",
}
"""Constraints on what a measurement of time tells."""

STATIC = {
    "accuracy_drop": "the task metric of the source minus that of the variant; = metric_drop",
    "metric_drop": "the task metric of the source minus that of the variant",
    "cosine": "cosine similarity to the source's outputs, the least of them",
    "sqnr_db": "signal to quantization noise on the outputs in dB, the least of them",
    "max_abs": "largest absolute difference of an output from the source",
    "max_rel": "largest relative difference of an output from the source",
    "size_bytes": "bytes of the model",
}
"""Constraints on the model itself; each is also a gate of that name."""

CONSTRAINTS = {**TIMED, **STATIC}

_TEXT = re.compile(r"^\s*(?P<name>\w+)\s*(?P<sign><=|>=)\s*(?P<value>\S+)\s*$")
_FORM = "write it as 'latency_p95_ms<=10' or 'cosine>=0.99'"


def variant_names() -> tuple[str, ...]:
    """Every word that `variants` takes."""
    made = (f"{name}-{precision}" for name in format_names() for precision in PRECISIONS)
    return ("source", "recipe", *made)


def _known_variant(word: str) -> str:
    if word not in variant_names():
        hint = did_you_mean(word, variant_names())
        raise PydanticCustomError(
            "unknown_word", "unknown variant '{word}'", {"word": word, "hint": hint}
        )
    return word


def _known_constraint(name: str) -> str:
    if name not in CONSTRAINTS:
        hint = did_you_mean(name, CONSTRAINTS)
        raise PydanticCustomError(
            "unknown_word", "unknown constraint '{word}'", {"word": name, "hint": hint}
        )
    return name


def _one_or_list(value: object) -> object:
    return (value,) if isinstance(value, (str, int)) else value


Count = Annotated[int, Field(strict=True, ge=1)]
Counts = Annotated[
    Annotated[tuple[Count, ...], Field(min_length=1)],
    BeforeValidator(_one_or_list, json_schema_input_type=Count | tuple[Count, ...]),
]
Words = BeforeValidator(_one_or_list, json_schema_input_type=str | tuple[str, ...])
ConstraintName = Annotated[str, AfterValidator(_known_constraint)]


class Space(BaseModel):
    """The values that are tried for each setting; those left out are chosen for each runtime."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hint: Annotated[tuple[Hint, ...], Field(min_length=1), Words] | None = Field(
        None, description="what the runtime is to make the most of"
    )
    api: Annotated[tuple[Api, ...], Field(min_length=1), Words] | None = Field(
        None, description="wait for each inference, or have several under way"
    )
    streams: Counts | None = Field(None, description="inferences that run side by side")
    threads: Counts | None = Field(None, description="processor threads")
    nireq: Counts | None = Field(None, description="inferences under way at once (async)")
    batch: Counts | None = Field(
        None, description="how often the inputs are repeated along their batch axis"
    )
    infer_precision: Annotated[tuple[InferPrecision, ...], Field(min_length=1), Words] | None = (
        Field(None, description="what arithmetic the runtime may use")
    )
    mode: Annotated[tuple[Mode, ...], Field(min_length=1), Words] | None = Field(
        None, description="how torch runs the network"
    )
    pin: Annotated[tuple[StrictBool, ...], Field(min_length=1), Words] | None = Field(
        None, description="whether threads are bound to cores"
    )


class Tune(BaseModel):
    """What a search looks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    objective: Objective = Field(
        "latency", description="the shortest wait of one input, or the most inputs per second"
    )
    variants: (
        Annotated[
            tuple[Annotated[str, AfterValidator(_known_variant)], ...], Field(min_length=1), Words
        ]
        | None
    ) = Field(
        None,
        description="source, recipe (its own passes), or FORMAT-PRECISION such as ir-int8; "
        "default: all that can be made of the source and run here, in fp32 and int8",
    )
    settings: Space = Field(Space(), description="the values that are tried for each setting")
    constraints: dict[ConstraintName, Bound] = Field(
        {}, description="bounds that the choice must keep"
    )
    seconds: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = Field(
        5.0, description="how long each of the last ones is measured, in seconds"
    )


def parse_constraint(text: str) -> tuple[str, Bound]:
    """`latency_p95_ms<=10` as a name and a bound.

    Raises:
        OptkitError: an unknown constraint, or not of that form (bad input).
    """
    match = _TEXT.match(text)
    if match is None:
        raise bad_input(f"cannot read the constraint '{text}'", _FORM)
    if match["name"] not in CONSTRAINTS:
        raise unknown("constraint", match["name"], CONSTRAINTS)
    try:
        value = float(match["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad_input(f"the constraint '{text}' has no number after {match['sign']}", _FORM)
    return match["name"], Bound(max=value) if match["sign"] == "<=" else Bound(min=value)
