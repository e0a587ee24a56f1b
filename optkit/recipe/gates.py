"""Gates: the figures that may be bounded, and how a bound is written."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from optkit.catalogue import did_you_mean, unknown
from optkit.core.errors import bad_input

GATES = {
    "accuracy_drop": "the task metric of the reference minus that of the artifact; = metric_drop",
    "metric_drop": "the task metric of the reference minus that of the artifact",
    "speedup": "latency of FP32 over that of the artifact, in the same runtime and device",
    "speedup_vs_half": "latency of FP32 run in bf16 or f16 over that of the artifact",
    "speedup_vs_source": "latency of the source in its own runtime over that of the artifact",
    "size_ratio": "bytes of the artifact over those of the same format in FP32",
    "cosine": "cosine similarity to the reference's outputs, the least of them",
    "sqnr_db": "signal to quantization noise on the outputs in dB, the least of them",
    "max_abs": "largest absolute difference of an output from the reference",
    "max_rel": "largest relative difference of an output from the reference",
    "latency_ms_p50": "median latency in milliseconds",
    "latency_ms_p90": "90th percentile of the latency in milliseconds",
    "latency_ms_p95": "95th percentile of the latency in milliseconds",
    "latency_ms_p99": "99th percentile of the latency in milliseconds",
    "throughput_per_s": "samples per second",
    "size_bytes": "bytes of the artifact",
}
"""Every gate by name, with what it bounds."""

_TEXT = re.compile(r"^\s*(?P<name>\w+)\s*(?P<sign><=|>=)\s*(?P<value>\S+)\s*$")
_FORM = "write it as 'accuracy_drop<=0.01' or 'speedup>=1.5'"

Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Bound(BaseModel):
    """What a measured figure must keep to, both ends included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max: Limit | None = Field(None, description="the most it may be")
    min: Limit | None = Field(None, description="the least it may be")

    @model_validator(mode="after")
    def _has_an_end(self) -> Bound:
        if self.max is None and self.min is None:
            raise PydanticCustomError(
                "no_bound", "a gate needs 'max' or 'min'", {"hint": "write {max: 0.01}"}
            )
        if self.max is not None and self.min is not None and self.min > self.max:
            raise PydanticCustomError(
                "empty_bound", "'min' lies above 'max': nothing can pass", {"hint": "swap them"}
            )
        return self

    def holds(self, value: float) -> bool:
        """Whether a figure keeps to it; a figure that is not a number never does."""
        low = -math.inf if self.min is None else self.min
        high = math.inf if self.max is None else self.max
        return low <= value <= high

    def __str__(self) -> str:
        ends = [f">= {self.min:g}"] if self.min is not None else []
        return " and ".join(ends + ([f"<= {self.max:g}"] if self.max is not None else []))


def known_gate(name: str) -> str:
    """The name, if it is a gate's; a pydantic error with the nearest otherwise."""
    if name not in GATES:
        raise PydanticCustomError(
            "unknown_word",
            "unknown gate '{word}'",
            {"word": name, "hint": did_you_mean(name, GATES)},
        )
    return name


GateName = Annotated[str, AfterValidator(known_gate)]


def parse_gate(text: str) -> tuple[str, Bound]:
    """`accuracy_drop<=0.01` as a name and a bound.

    Raises:
        OptkitError: an unknown gate, or not of that form (bad input).
    """
    match = _TEXT.match(text)
    if match is None:
        raise bad_input(f"cannot read the gate '{text}'", _FORM)
    if match["name"] not in GATES:
        raise unknown("gate", match["name"], GATES)
    try:
        value = float(match["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad_input(f"the gate '{text}' has no number after {match['sign']}", _FORM)
    return match["name"], Bound(max=value) if match["sign"] == "<=" else Bound(min=value)
