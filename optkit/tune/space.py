"""What is tried: every variant with the settings that make sense in its runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from optkit.catalogue import runtime_of
from optkit.core.artifact import Artifact
from optkit.core.machine import SPEEDS_UP, cores, machine
from optkit.core.settings import DEFAULT, Settings
from optkit.recipe.tuning import Objective, Space
from optkit.tune.variants import Variant

# What tells families apart; the rest is how a member of one runs. PyTorch's modes too: they are
# slow to open, and not tried where the plain one is far behind.
_OF_FAMILY = ("device", "infer_precision")
_KNOWS = {
    "openvino": {"hint", "api", "streams", "threads", "nireq", "batch", "infer_precision", "pin"},
    "onnxruntime": {"hint", "api", "streams", "threads", "nireq", "batch", "pin"},
    "torch": {
        "hint", "api", "streams", "threads", "nireq", "batch", "infer_precision", "mode",
    },
}  # fmt: skip
_MODES = {
    "torchscript": (None, "frozen"),
    "exported": ("eager", "compile"),
    "module": ("eager", "compile"),
}


@dataclass(frozen=True)
class Candidate:
    """A variant and how it is run.

    Attributes:
        variant: the model.
        settings: how it runs.
    """

    variant: Variant
    settings: Settings

    @property
    def name(self) -> str:
        """The variant's word and every setting that was chosen."""
        asked = {
            key: value
            for key, value in asdict(self.settings).items()
            if value != getattr(DEFAULT, key)
        }
        return " ".join([self.variant.word, *(f"{key}={asked[key]}" for key in asked)])


def families(
    variants: Sequence[Variant], devices: Sequence[str], wanted: Space, objective: Objective
) -> list[list[Candidate]]:
    """Every candidate, in families of one model, device and arithmetic, the plainest first.

    Light models come first: the others are compared with what is measured first, and a fast one
    tells more.

    Args:
        variants: the models; those without an artifact are passed over.
        devices: device words.
        wanted: the values that the user names for a setting.
        objective: decides what is plain, and that batches are tried for throughput alone: in a
            batch, an input waits for the others.
    """
    found: dict[tuple[Any, ...], list[Candidate]] = {}
    for variant in variants:
        if variant.artifact is None:
            continue
        choices = _choices(variant, wanted, objective)
        for device in devices:
            for values in product(*choices.values()):
                settings = Settings(device=device, **dict(zip(choices, values, strict=True)))
                one = Candidate(variant, settings)
                key = (variant.word, *(getattr(settings, name) for name in _OF_FAMILY))
                found.setdefault(key, []).append(one)
    return sorted(found.values(), key=_weight)


def _weight(family: Sequence[Candidate]) -> int:
    artifact = family[0].variant.artifact
    assert artifact is not None
    return artifact.bytes


def source_as_it_is(source: Artifact) -> Candidate:
    """The source as anyone would run it: what the choice is compared with."""
    found = runtime_of(source.format)
    assert found is not None
    return Candidate(Variant("source", "fp32", source, found[0]), DEFAULT)


def _choices(variant: Variant, wanted: Space, objective: Objective) -> dict[str, Sequence[Any]]:
    """The values of each setting for a variant, the plainest first."""
    named = {name: value for name, value in wanted if value is not None}
    tried = {**_usual(variant, objective), **named}
    known = _KNOWS.get(variant.runtime, {"batch"})
    return {name: values for name, values in tried.items() if name in known}


def _usual(variant: Variant, objective: Objective) -> dict[str, Sequence[Any]]:
    assert variant.artifact is not None
    streams = sorted({1, *(2**at for at in range(1, 7) if 2**at < cores()), cores()})
    tried: dict[str, Sequence[Any]] = {"hint": (objective,)}
    if objective == "throughput":
        tried["batch"] = (1, 8)
    if variant.runtime == "openvino":
        other = "latency" if objective == "throughput" else "throughput"
        able = set(SPEEDS_UP["bf16"]).intersection(_isa())
        tried["hint"] = (objective, other)
        tried["streams"] = (None, *streams)
        tried["infer_precision"] = ("f32", "bf16") if able else ("f32",)
    elif variant.runtime == "onnxruntime":
        tried["streams"] = (None, *streams) if objective == "throughput" else (None,)
        tried["threads"] = (None,) if objective == "throughput" else _threads()
    else:
        tried["mode"] = _MODES.get(variant.artifact.format, (None,))
        tried["threads"] = (None,) if objective == "throughput" else _threads()
    return tried


def _threads() -> tuple[int | None, ...]:
    """Every core, or one: small networks lose more by sharing out than they win."""
    return (None, 1) if cores() > 1 else (None,)


def _isa() -> list[str]:
    found = machine()["isa"]
    return found if isinstance(found, list) else []
