"""What is to be measured, in a form that crosses into the measuring process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.preprocessing import preprocessing_from_json, preprocessing_to_json
from optkit.core.settings import Settings
from optkit.core.signature import signature_from_json, signature_to_json

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Contender:
    """One model on one runtime.

    Attributes:
        name: what messages and rows call it.
        artifact: the model.
        runtime: a runtime's word.
        settings: how it runs; where they leave it open, the scenario chooses `hint` and `api`, and
            on the CPU `threads` is every core of the process.
        inputs: a file of `write_inputs` with one inference's arrays, before `settings.batch`
            repeats them along their first axis.
    """

    name: str
    artifact: Artifact
    runtime: str
    settings: Settings
    inputs: Path


# Who measures for less does not ask for certainty.
_GLANCE = 1.0


@dataclass(frozen=True)
class Plan:
    """Models to be measured side by side.

    Attributes:
        contenders: the models.
        seconds: time spent on each, beside loading and warming up; however short, there are at
            least a few rounds.
        scenario: how load is offered, a file name under `scenarios` with hyphens.
        seed: of the order in which they take turns, and of arrivals.
        warmup: seconds after which a model is timed even if it is not steady yet.
        sittings: how often the models are loaded anew at most, so that a ratio does not hang on
            where memory came to lie once.
        executed: whether the compiled graphs are read, for the precision of each operation; of
            TorchScript and exported programs that takes as long as to load them.
        silence: seconds without a word after which the measuring process counts as hung.
        per_query: inferences that come at once in `multi-stream`; MLPerf's default.
        latency_bound_ms: what 99 % of the latencies have to keep in `server`.
    """

    contenders: tuple[Contender, ...]
    seconds: float = 3.0
    scenario: str = "single-stream"
    seed: int = 0
    warmup: float = 3.0
    sittings: int = 10
    executed: bool = True
    silence: float = 300.0
    per_query: int = 8
    latency_bound_ms: float = 100.0

    @property
    def at_a_glance(self) -> bool:
        """Whether a rough figure soon is worth more than a certain one."""
        return self.seconds < _GLANCE

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            OptkitError: bad input.
        """
        if not self.contenders:
            raise bad_input("nothing to measure", "name at least one model")
        at_least_one = [("per_query", self.per_query)]
        at_least_one += [(f"batch of {one.name}", one.settings.batch) for one in self.contenders]
        for name, count in at_least_one:
            if count < 1:
                raise bad_input(f"{name} is {count}", "give 1 or more")
        positive = {"seconds": self.seconds, "latency_bound_ms": self.latency_bound_ms}
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise bad_input(f"{name} is {value:g}", "give a number above 0")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    return asdict(plan) | {"contenders": [_contender_to_json(one) for one in plan.contenders]}


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """The inverse of `plan_to_json`."""
    contenders = tuple(_contender_from_json(one) for one in data["contenders"])
    return Plan(**{**data, "contenders": contenders})


def write_inputs(path: Path, arrays: Arrays) -> Path:
    """Keep one inference's arrays, by input name, in an .npz file; returns `path`."""
    import numpy as np

    # Keyed by position: an input's name need not be a legal member name.
    members: dict[str, Any] = {str(at): array for at, array in enumerate(arrays.values())}
    np.savez(path, names=np.array(list(arrays)), **members)
    return path


def read_inputs(path: Path) -> dict[str, np.ndarray]:
    """The inverse of `write_inputs`."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return {str(name): file[str(at)] for at, name in enumerate(file["names"])}


def _contender_to_json(contender: Contender) -> dict[str, Any]:
    artifact = contender.artifact
    return {
        "name": contender.name,
        "runtime": contender.runtime,
        "settings": asdict(contender.settings),
        "inputs": str(contender.inputs),
        "artifact": {
            **{name: getattr(artifact, name) for name in artifact.__dataclass_fields__},
            "path": str(artifact.path),
            "files": [str(path) for path in artifact.files],
            "signature": signature_to_json(artifact.signature),
            "preprocessing": preprocessing_to_json(artifact.preprocessing),
            "root": artifact.root and str(artifact.root),
        },
    }


def _contender_from_json(data: Mapping[str, Any]) -> Contender:
    artifact = data["artifact"]
    return Contender(
        data["name"],
        Artifact(**{
            **artifact,
            "path": Path(artifact["path"]),
            "files": tuple(map(Path, artifact["files"])),
            "signature": signature_from_json(artifact["signature"]),
            "lineage": tuple(artifact["lineage"]),
            "preprocessing": preprocessing_from_json(artifact["preprocessing"]),
            "root": artifact["root"] and Path(artifact["root"]),
        }),
        data["runtime"],
        Settings(**data["settings"]),
        Path(data["inputs"]),
    )
