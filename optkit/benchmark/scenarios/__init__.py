"""One file per scenario: how load is offered to a model. The terms are MLPerf's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from optkit.core.contract import Session
from optkit.core.errors import bad_input
from optkit.core.settings import Api, Hint

if TYPE_CHECKING:
    import numpy as np

    from optkit.benchmark.spec import Plan

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Turn:
    """What one turn of a model gave.

    Attributes:
        times: samples in nanoseconds.
        inferences: how many were run.
        preempted: how many of `watched` were preempted.
        watched: what preemption was looked for in: samples, or the turn as a whole.
        load: inferences offered per second, where the scenario sets them.
        ceiling: the load above which it does not search.
        waited: how long its threads waited for a core, all together, as a share of its time.
    """

    times: Sequence[float]
    inferences: int
    preempted: int
    watched: int
    load: float | None = None
    ceiling: float | None = None
    waited: float = 0.0


Block = Callable[[int], Turn]
"""Offers so many queries, one after the other, and times them."""


@dataclass(frozen=True)
class Load:
    """How a scenario loads one session.

    Attributes:
        block: for warming up, and for measuring where there is no `turns`.
        turns: given the nanoseconds that an inference takes in `block`, the turn to be measured,
            by the number of the round.
        searching: whether more turns are needed, whatever time is spent.
        settle: what brings a model's weights back to the caches after others ran; one query of
            `block` where None.
    """

    block: Block
    turns: Callable[[float], Callable[[int], Turn]] | None = None
    searching: Callable[[], bool] = lambda: False
    settle: Callable[[], object] | None = None


class Scenario(Protocol):
    """A module of this folder; its name, with hyphens, is the scenario's word."""

    HINT: Hint
    """What a runtime is asked for where the settings leave it open."""

    API: Api
    """Likewise."""

    RESUMES: bool
    """Whether turns of two processes can be put together."""

    def prepare(self, session: Session, arrays: Arrays, plan: Plan) -> Load:
        """How the session, fed with these arrays, is loaded."""

    def figures(self, turns: Sequence[Turn], plan: Plan, batch: int) -> dict[str, Any]:
        """The row's `samples`, `preempted`, `latency_ms`, `throughput_per_s`, `raw_ms`, `waited`.

        Args:
            turns: of one model, at least one.
            plan: what was to be measured.
            batch: inputs of one inference.
        """


def names() -> tuple[str, ...]:
    """Every scenario's word."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__)))


def find(name: str) -> Scenario:
    """The scenario's module.

    Raises:
        OptkitError: there is no such scenario (bad input).
    """
    if name not in names():
        raise bad_input(f"unknown scenario '{name}'", f"one of {', '.join(names())}")
    return cast("Scenario", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
