"""The `benchmark` section of a recipe: what is timed, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from optkit.core.settings import Api, Hint, InferPrecision, Mode
from optkit.recipe.words import SCENARIO, Count, Number, Section, Text


class Benchmark(Section):
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
