"""Gates: the figures that may be bounded, and how a bound is written."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from optkit.catalogue import did_you_mean, unknown
from optkit.core.errors import bad_input

GATES = {
    "accuracy_drop": "the task metric of the reference minus that of the artifact; = metric_drop",
    "metric_drop": "the task metric of the reference minus that of the artifact",
    "metric": "the task metric of the artifact",
    "speedup": "latency of FP32 over that of the artifact, in the same runtime and device",
    "speedup_vs_half": "latency of FP32 run in bf16 or f16 over that of the artifact",
    "speedup_vs_source": "latency of the source in its own runtime over that of the artifact",
    "speedup_vs_baseline": "latency of the baseline's artifact over that of the artifact",
    "size_ratio": "bytes of the artifact over those of the same format in FP32",
    "cosine": "cosine similarity to the reference's outputs, the least of them",
    "sqnr_db": "signal to quantization noise on the outputs in dB, the least of them",
    "max_abs": "largest absolute difference of an output from the reference",
    "max_rel": "largest relative difference of an output from the reference",
    "latency_ms_p50": "median latency in milliseconds",
    "latency_ms_p90": "90th percentile of the latency in milliseconds",
    "latency_ms_p95": "95th percentile of the latency in milliseconds",
    "latency_ms_p99": "99th percentile of the latency in milliseconds",
    "latency_ms_mean": "mean latency in milliseconds",
    "throughput_per_s": "samples per second",
    "size_bytes": "bytes of the artifact",
}
"""Every gate by name, with what it bounds."""

SECTIONS = ("steps", "artifacts", "validation", "benchmark")
"""Where a path to any other figure of the manifest may begin."""

_TEXT = re.compile(r"^\s*(?P<name>[^\s<>=]+)\s*(?P<sign><=|>=)\s*(?P<value>\S+)\s*$")
_FORM = "write it as 'accuracy_drop<=0.01' or 'speedup>=1.5'"
_PERCENT = re.compile(r"^\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*$")
_CHANGE = "write 5% or, in the figure's own unit, 0.01"


def _change(value: object) -> object:
    """A number, or a percentage as it was written, without its blanks."""
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if match:
        return f"{match[1]}%"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise PydanticCustomError(
            "change",
            "a change must be a number from 0 on, or a percentage, found {found}",
            {"found": str(value)[:40], "hint": _CHANGE},
        )
    return value


Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Change = Annotated[float | str, BeforeValidator(_change, json_schema_input_type=float | str)]
"""A number in the figure's own unit, or a percentage of the baseline's, such as `5%`."""


class Bound(BaseModel):
    """What a measured figure must keep to, both ends included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max: Limit | None = Field(None, description="the most it may be")
    min: Limit | None = Field(None, description="the least it may be")

    @model_validator(mode="after")
    def _has_an_end(self) -> Bound:
        if all(value is None for value in self.model_dump().values()):
            raise PydanticCustomError(
                "no_bound",
                "a gate needs {words}",
                {
                    "words": " or ".join(f"'{name}'" for name in type(self).model_fields),
                    "hint": "write {max: 0.01}",
                },
            )
        if self.max is not None and self.min is not None and self.min > self.max:
            raise PydanticCustomError(
                "empty_bound", "'min' lies above 'max': nothing can pass", {"hint": "swap them"}
            )
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most, infinite where it is open."""
        low = -math.inf if self.min is None else self.min
        return low, math.inf if self.max is None else self.max

    def holds(self, value: float) -> bool:
        """Whether a figure keeps to it; a figure that is not a number never does."""
        low, high = self.ends
        return low <= value <= high

    def __str__(self) -> str:
        ends = [f">= {self.min:g}"] if self.min is not None else []
        return " and ".join(ends + ([f"<= {self.max:g}"] if self.max is not None else []))


class Gate(Bound):
    """What a figure must keep to, by itself and held against a baseline."""

    max_increase: Change | None = Field(
        None, description="what it may gain over the baseline: 0.01 in its own unit, or 5%"
    )
    max_decrease: Change | None = Field(
        None, description="what it may lose against the baseline: 0.01 in its own unit, or 5%"
    )

    @property
    def absolute(self) -> bool:
        """Whether it bounds the figure by itself."""
        return self.max is not None or self.min is not None

    @property
    def relative(self) -> bool:
        """Whether it bounds the change from a baseline."""
        return self.max_increase is not None or self.max_decrease is not None

    def __str__(self) -> str:
        ends = [super().__str__()] if self.absolute else []
        for word, most in (("increase", self.max_increase), ("decrease", self.max_decrease)):
            if most is not None:
                ends.append(f"{word} <= {most if isinstance(most, str) else f'{most:g}'}")
        return " and ".join(ends)


def allowed(change: float | str, base: float) -> float:
    """What a figure may move by, in its own unit, from what it was."""
    if isinstance(change, str):
        return abs(base) * float(change.rstrip("%")) / 100
    return change


def known_gate(name: str) -> str:
    """The name, if a figure is called so; a pydantic error with the nearest otherwise."""
    if name in GATES:
        return name
    first, slash, rest = name.partition("/")
    if not slash:
        raise PydanticCustomError(
            "unknown_word",
            "unknown gate '{word}'",
            {"word": name, "hint": did_you_mean(name, GATES)},
        )
    if first not in SECTIONS or not all(rest.split("/")):
        raise PydanticCustomError(
            "unknown_word",
            "unknown figure '{word}' of the manifest",
            {"word": name, "hint": did_you_mean(first, SECTIONS)},
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
    try:
        known_gate(match["name"])
    except PydanticCustomError:
        raise unknown("gate", match["name"], GATES) from None
    try:
        value = float(match["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad_input(f"the gate '{text}' has no number after {match['sign']}", _FORM)
    return match["name"], Bound(max=value) if match["sign"] == "<=" else Bound(min=value)
