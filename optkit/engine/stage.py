"""Stages: what is built at one go, and what its result hangs on.

Most stages are one step. Graph passes in a row are one stage: they rewrite the same graph in
memory, which is read and written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optkit.catalogue import find_pass
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Pass
from optkit.core.events import Listener
from optkit.core.hashing import digest
from optkit.core.machine import machine
from optkit.core.preprocessing import preprocessing_to_json
from optkit.core.samples import Samples
from optkit.core.signature import signature_to_json
from optkit.core.store import Store
from optkit.core.versions import versions
from optkit.engine.source import Source
from optkit.engine.witness import Decision
from optkit.planner import Route, Step


@dataclass(frozen=True)
class Workshop:
    """All that the steps of a run share.

    Attributes:
        store: where finished steps are kept.
        source: the model that the run starts from.
        samples: the calibration samples.
        seed: for anything random.
        listen: told of progress.
        decided: what measurements decided in a run that is repeated, by the pass; see `witness`.
    """

    store: Store
    source: Source
    samples: Samples
    seed: int
    listen: Listener
    decided: Mapping[str, Sequence[Decision]] = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """A finished step, as the manifest tells it.

    `samples` are the calibration samples that it read, as `0-299`, and `decisions` what it
    measured: the lock keeps both.
    """

    name: str
    options: Mapping[str, Any]
    seconds: float
    cached: bool
    changed: bool
    reason: str | None
    details: Mapping[str, Any]
    artifact: Artifact
    samples: str = ""
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True)
class Work:
    """A step with its pass and its options, defaults filled in."""

    step: Step
    item: Pass
    options: Any

    @property
    def edits(self) -> bool:
        """Whether it can share a graph with its neighbours.

        A step that lowers the precision stands by itself: the FP32 baseline goes without it, and
        has the stages around it in common.
        """
        return self.step.takes in self.item.edits and self.item.precision is None

    @property
    def uses_data(self) -> bool:
        """Whether the calibration samples enter its result."""
        return self.item.reads_data(self.options)

    @property
    def arrow(self) -> str:
        """The formats on its two sides."""
        takes, gives = self.step.takes, self.step.gives
        return f"{takes} → {gives}" if takes != gives else gives


Stage = tuple[Work, ...]


def stages(route: Route) -> list[Stage]:
    """A route's steps as they are built: graph passes in a row together, others by themselves."""
    found: list[Stage] = []
    for step in route.steps:
        item = find_pass(step.name)
        work = Work(step, item, item.options.model_validate(dict(step.options)))
        if found and work.edits and found[-1][-1].edits:
            found[-1] = (*found[-1], work)
        else:
            found.append((work,))
    return found


def stage_key(stage: Stage, artifact: Artifact, shop: Workshop) -> str:
    """All that a stage's result hangs on: what its context hands it, and the code that uses it."""
    source, uses_data = shop.source, any(work.uses_data for work in stage)
    made_by = [*(work.item.run.__module__ for work in stage), "optkit.data.synthesise"]
    return digest({
        "passes": [[work.item.name, work.options.model_dump(mode="json")] for work in stage],
        "input": [
            artifact.format,
            artifact.digest,
            signature_to_json(artifact.signature),
            preprocessing_to_json(artifact.preprocessing),
        ],
        "source": [source.artifact.digest, signature_to_json(source.artifact.signature)],
        "bounds": dict(source.index_bounds),
        "data": shop.samples.digest if uses_data else None,
        "seed": shop.seed,
        "machine": machine() if any(w.item.measures(w.options) for w in stage) else None,
        **({"decided": decided} if (decided := _decided(stage, shop)) else {}),
        "versions": versions({"numpy", *(need for work in stage for need in work.item.needs)}),
        "code": own_code(*made_by, *(["optkit.data.read"] if uses_data else [])),
    })  # fmt: skip


def _decided(stage: Stage, shop: Workshop) -> list[Any]:
    return [known for work in stage for known in shop.decided.get(work.item.name, ())]
