"""What goes, by whichever bound was set: the way from a wish to a decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.core.contract import Progress, Remember
from optkit.pruning import sensitivity
from optkit.pruning.deciding import decide
from optkit.pruning.dependencies import analyse
from optkit.pruning.drop import within
from optkit.pruning.feeding import Feed, spread
from optkit.pruning.importance import importance
from optkit.pruning.network import Network
from optkit.pruning.structure import Group, Structure
from optkit.pruning.surgery import cut

if TYPE_CHECKING:
    import numpy as np
    import torch

_FLOPS = 0.5
_RANKED_BY = 256


@dataclass(frozen=True)
class Wish:
    """What is asked for: at most one bound; half the multiply-adds where there is none.

    Attributes:
        ratio: share of the channels to take.
        flops, parameters, latency: share that may be left.
        max_drop: what may be lost, on data like the calibration samples.
        criterion, scope, round_to: as in the options of `prune`.
    """

    ratio: float | None = None
    flops: float | None = None
    parameters: float | None = None
    latency: float | None = None
    max_drop: float | None = None
    criterion: str = "magnitude"
    scope: str = "per_layer"
    round_to: int = 1


@dataclass(frozen=True)
class Means:
    """What a choice may need beyond the structure.

    Attributes:
        feed: reads the samples: the network with its batch free where it can be, and its feed.
        latency: the share of the original's latency that a cut graph has.
        machine: what a measured latency hangs on.
        remember: answers a question from what was computed earlier.
        progress: told how far a measuring has come.
    """

    feed: Callable[[], tuple[Network, Feed]]
    latency: Callable[[torch.fx.GraphModule], float]
    machine: Any
    remember: Remember
    progress: Progress


def choose(
    structure: Structure, groups: Sequence[Group], wish: Wish, means: Means
) -> tuple[np.ndarray, dict[str, Any]]:
    """What goes (bool per unit), and how it was found, for the run's details.

    Raises:
        OptkitError: the bound cannot be met, or the criterion finds nothing to judge by (bad
            input).
    """
    import numpy as np

    if not groups:
        return np.zeros(structure.count, bool), {}
    if wish.max_drop is not None:
        return _within_drop(groups, wish, means)
    ranked = _ranked(structure, wish.criterion, means)
    ratio, flops, told = wish.ratio, wish.flops, dict[str, Any]()
    if wish.latency is not None:
        question = {
            "latency": wish.latency, "machine": means.machine, "criterion": wish.criterion,
            "groups": [group.name for group in groups], "scope": wish.scope,
            "round_to": wish.round_to,
        }  # fmt: skip
        told = means.remember(
            __name__, question, lambda: _fitting_latency(structure, groups, ranked, wish, means)
        )
        ratio = told["ratio"]
    elif ratio is None and flops is None and wish.parameters is None:
        flops = _FLOPS
    decision = decide(
        structure, groups, ranked, scope=wish.scope, round_to=wish.round_to, ratio=ratio,
        flops=flops, parameters=wish.parameters,
    )  # fmt: skip
    return decision.gone, {**told, "ratio": decision.ratio}


def _ranked(structure: Structure, criterion: str, means: Means) -> np.ndarray:
    if criterion != "taylor":
        return importance(structure, criterion, None)
    network, samples = means.feed()
    few = samples.part(spread(len(samples), _RANKED_BY))
    return importance(analyse(network.graph, samples.samples[0]), criterion, few)


def _fitting_latency(
    structure: Structure, groups: Sequence[Group], ranked: np.ndarray, wish: Wish, means: Means
) -> dict[str, float]:
    """The smallest ratio that is fast enough, and the share of the latency measured with it."""
    known: dict[bytes, float] = {}

    def fits(gone: np.ndarray) -> bool:
        key = gone.tobytes()
        if key not in known:
            known[key] = means.latency(cut(structure, gone)) if gone.any() else 1.0
            means.progress(len(known), None)
        return known[key] <= (wish.latency or 0.0)

    decision = decide(
        structure, groups, ranked, scope=wish.scope, round_to=wish.round_to, fits=fits
    )
    assert decision.ratio is not None
    return {"ratio": decision.ratio, "latency": known[decision.gone.tobytes()]}


def _within_drop(
    groups: Sequence[Group], wish: Wish, means: Means
) -> tuple[np.ndarray, dict[str, Any]]:
    network, samples = means.feed()
    structure = analyse(network.graph, samples.samples[0])
    names = {group.name for group in groups}
    kept = [group for group in structure.groups if group.name in names]
    measured, judged = sensitivity.parts(samples)
    ranked = importance(structure, wish.criterion, measured)
    table = sensitivity.measure(
        structure, wish.criterion, measured, round_to=wish.round_to, remember=means.remember,
        progress=means.progress,
    )  # fmt: skip
    assert wish.max_drop is not None
    return within(structure, kept, ranked, measured, judged, table, wish.max_drop, wish.round_to)
