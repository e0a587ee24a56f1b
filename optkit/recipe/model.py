"""What a recipe may say: its keys, their types and defaults, in the order they are written.

The descriptions are what the JSON schema, the hints and the documentation show. Sections of some
size have a file of their own: `inputs.py` (model), `datasets.py` (data), `benchmarking.py`
(benchmark), `gates.py`, `tuning.py` (tune).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from optkit.catalogue import did_you_mean, format_names
from optkit.recipe.benchmarking import Benchmark
from optkit.recipe.datasets import Data, Dataset
from optkit.recipe.gates import Gate, GateName
from optkit.recipe.inputs import InputSpec, Model
from optkit.recipe.places import found
from optkit.recipe.tuning import Tune
from optkit.recipe.words import DTYPE, PRECISION, Section, Text, Whole, one_or_list

__all__ = ["DTYPE", "Benchmark", "Data", "Dataset", "InputSpec", "Model", "PassSpec", "Recipe"]


def _known_format(word: str) -> str:
    if word not in format_names():
        raise PydanticCustomError(
            "unknown_word",
            "unknown format '{word}'",
            {"word": word, "hint": did_you_mean(word, format_names())},
        )
    return word


def _whole(value: object) -> object:
    if type(value) in {bool, float}:  # which Python takes for equal to 1
        raise PydanticCustomError(
            "version",
            "'optkit' must be 1, found {found}",
            {"found": found(value), "hint": "write optkit: 1"},
        )
    return value


def _differ(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if words.count(word) > 1:
            raise PydanticCustomError(
                "word_twice", "'{word}' stands there twice", {"word": word, "hint": "keep one"}
            )
    return words


def _as_benchmark(value: object) -> object:
    return {"enabled": value} if isinstance(value, bool) else value


def _as_pass(value: object) -> object:
    if isinstance(value, PassSpec):
        return value
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and len(value) == 1:
        name, options = next(iter(value.items()))
        if options is None or isinstance(options, dict):
            return {"name": name, "options": options or {}}
        raise PydanticCustomError(
            "pass_options",
            "the options of {name} must be a mapping, found {found}",
            {"name": name, "found": found(options), "hint": f"write {name}: {{option: value}}"},
        )
    if isinstance(value, dict) and value:
        raise PydanticCustomError(
            "pass_entry",
            "one pass to an entry, found {names}",
            {
                "names": ", ".join(f"'{name}'" for name in value),
                "hint": "indent options below their pass; begin each pass with '- '",
            },
        )
    raise PydanticCustomError(
        "pass_entry",
        "a pass is a name or a name with options, found {found}",
        {"found": found(value), "hint": "write - simplify, or - quantize_int8: {preset: mixed}"},
    )


class PassSpec(Section):
    """One step: a pass and its options as the recipe gives them."""

    name: str = Field(description="the pass")
    options: dict[str, Any] = Field({}, description="its options; the rest have their defaults")


class Recipe(Section):
    """A recipe of optkit: a model, what to make of it, and what that must hold."""

    optkit: Annotated[Literal[1], BeforeValidator(_whole, json_schema_input_type=Literal[1])] = (
        Field(description="version of the recipe's form; write optkit: 1")
    )
    include: Annotated[
        tuple[Text, ...], BeforeValidator(one_or_list, json_schema_input_type=str | tuple[str, ...])
    ] = Field(
        (),
        description="files whose keys stand below the recipe's own, a later one's above an "
        "earlier's; relative to this file",
    )
    outside: Annotated[
        tuple[Text, ...], BeforeValidator(one_or_list, json_schema_input_type=str | tuple[str, ...])
    ] = Field(
        (),
        description="folders outside the recipe's own that its paths may lead into, relative to "
        "the recipe",
    )
    model: Model = Field(description="the network to work on")
    data: Data = Field(Data(), description="what calibration and validation run on")
    to: Annotated[
        tuple[Annotated[str, AfterValidator(_known_format)], ...],
        BeforeValidator(one_or_list, json_schema_input_type=str | tuple[str, ...]),
        AfterValidator(_differ),
    ] = Field((), description="the format to make, or a list of them")
    precision: PRECISION | None = Field(
        None,
        description="what weights and activations are lowered to; w8a16 and w4a16 lower weights "
        "alone",
    )
    passes: tuple[Annotated[PassSpec, BeforeValidator(_as_pass)], ...] | None = Field(
        None,
        description="the steps in their order; conversions between them are inserted; without "
        "this key they are planned from 'to' and 'precision'",
    )
    benchmark: Annotated[
        Benchmark, BeforeValidator(_as_benchmark, json_schema_input_type=Benchmark | bool)
    ] = Field(Benchmark(), description="what is timed; false for nothing")
    gates: dict[GateName, Gate] = Field(
        {}, description="bounds on measured figures; missing one fails the run"
    )
    baseline: Text | None = Field(
        None,
        description="the file, relative to the recipe, that gates' max_increase and max_decrease "
        "are held against; written by optkit baseline update",
    )
    tune: Tune = Field(Tune(), description="what optkit tune looks for, and among what")
    seed: Annotated[Whole, Field(ge=0)] = Field(0, description="for anything random")
