"""What a recipe may say: its keys, their types and defaults, in the order they are written.

The descriptions are what the JSON schema, the hints and the documentation show.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    field_validator,
)
from pydantic_core import PydanticCustomError

from optkit.catalogue import did_you_mean, format_names
from optkit.core.settings import Api, Hint, InferPrecision, Mode
from optkit.core.signature import Dim, TensorSpec, parse_dim
from optkit.recipe.gates import Gate, GateName
from optkit.recipe.places import found
from optkit.recipe.tuning import Tune

VERSION = 1
"""The version of the recipe's form that this optkit reads and writes."""

LARGEST_DIMENSION = 2**63 - 1

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


Side = Annotated[int, Field(strict=True, ge=1)]


def _square(value: object) -> object:
    return (value, value) if isinstance(value, int) else value


def _every_channel(value: object) -> object:
    return (value,) if isinstance(value, (int, float)) else value


Channels = Annotated[
    Annotated[tuple[Number, ...], Field(min_length=1)],
    BeforeValidator(_every_channel, json_schema_input_type=Number | tuple[Number, ...]),
]


def _known_format(word: str) -> str:
    if word not in format_names():
        raise PydanticCustomError(
            "unknown_word",
            "unknown format '{word}'",
            {"word": word, "hint": did_you_mean(word, format_names())},
        )
    return word


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


def _differ(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if words.count(word) > 1:
            raise PydanticCustomError(
                "word_twice", "'{word}' stands there twice", {"word": word, "hint": "keep one"}
            )
    return words


def _one_or_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Section):
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


class Model(_Section):
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


class Dataset(_Section):
    """Samples, and how images among them are prepared."""

    path: Text = Field(
        description=".npz, .npy, a folder of those or of images, relative to the recipe; "
        "or module:callable, which needs --trust-code"
    )
    labels: Text | None = Field(None, description="the key of the labels in an .npz")
    metric: Text | None = Field(None, description="the task metric, such as accuracy")
    output: Text | None = Field(None, description="the output that the metric looks at")
    resize: (
        Annotated[
            tuple[Side, Side],
            BeforeValidator(_square, json_schema_input_type=Side | tuple[Side, Side]),
        ]
        | None
    ) = Field(None, description="images: [height, width] to resize to, or one side for both")
    mean: Channels | None = Field(
        None, description="images: subtracted from each channel after scaling"
    )
    std: Channels | None = Field(
        None, description="images: what each channel is divided by after the mean"
    )
    layout: Literal["NCHW", "NHWC"] | None = Field(
        None, description="images: the order of dimensions"
    )
    scale: Number | None = Field(
        None, description="images: what pixels of 0 to 255 are multiplied by"
    )


class Data(_Section):
    """What calibration and validation run on; synthesised where it is missing."""

    calibration: Dataset | None = Field(
        None,
        description="samples that ranges are taken from; without a validation set, the last fifth "
        "is held back for it",
    )
    validation: Dataset | None = Field(
        None, description="samples that the artifacts are compared with the reference on"
    )


class PassSpec(_Section):
    """One step: a pass and its options as the recipe gives them."""

    name: str = Field(description="the pass")
    options: dict[str, Any] = Field({}, description="its options; the rest have their defaults")


class Benchmark(_Section):
    """What is timed."""

    devices: tuple[Text, ...] = Field(
        ("CPU",), min_length=1, description="devices to measure on, such as CPU"
    )
    scenarios: tuple[SCENARIO, ...] = Field(
        ("single-stream",), min_length=1, description="how load is offered"
    )
    seconds: Annotated[Number, Field(gt=0)] = Field(
        3.0, description="how long each scenario is measured, in seconds"
    )
    hint: Hint | None = Field(
        None, description="what the runtime is to make the most of; default: the scenario's"
    )
    api: Api | None = Field(
        None,
        description="wait for each inference, or have several under way; default: the scenario's",
    )
    streams: Count | None = Field(None, description="inferences that run side by side")
    threads: Count | None = Field(None, description="processor threads; default: every core")
    nireq: Count | None = Field(None, description="inferences under way at once (async)")
    batch: Count = Field(1, description="how often the inputs are repeated along their batch axis")
    infer_precision: InferPrecision = Field(
        "f32", description="what arithmetic the runtime may use"
    )
    pin: StrictBool | None = Field(None, description="bind threads to cores")
    mode: Mode | None = Field(
        None, description="how torch runs the result; default: as its file says"
    )
    per_query: Count = Field(8, description="inferences that come at once in multi-stream")
    latency_bound_ms: Annotated[Number, Field(gt=0)] = Field(
        100.0, description="what 99 % of the latencies have to keep in server, in milliseconds"
    )
    undecided: Literal["pass", "fail"] = Field(
        "pass", description="what becomes of a gate that the machine is too noisy to decide"
    )
    enabled: StrictBool = Field(True, description="false leaves the timing out")


class Recipe(_Section):
    """A recipe of optkit: a model, what to make of it, and what that must hold."""

    optkit: Literal[1] = Field(description="version of the recipe's form; write optkit: 1")
    model: Model = Field(description="the network to work on")
    data: Data = Field(Data(), description="what calibration and validation run on")
    to: Annotated[
        tuple[Annotated[str, AfterValidator(_known_format)], ...],
        BeforeValidator(_one_or_list, json_schema_input_type=str | tuple[str, ...]),
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
