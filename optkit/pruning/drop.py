"""The most that can go while the answers lose at most so much, also on data not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.core.errors import bad_input
from optkit.pruning import cost
from optkit.pruning.choosing import per_layer
from optkit.pruning.confidence import CONFIDENCE, chance, least, upper
from optkit.pruning.feeding import Feed
from optkit.pruning.quality import answers, losses
from optkit.pruning.sensitivity import Table, needed_for
from optkit.pruning.structure import Group, Structure
from optkit.pruning.surgery import cut

if TYPE_CHECKING:
    import numpy as np

_HALVINGS = 16
# Candidates are looked for at these parts of what may be lost.
_PARTS = (1.0, 0.5, 0.2)


@dataclass(frozen=True)
class Candidate:
    """What may go.

    Attributes:
        gone: bool per unit.
        ratios: by group's name.
        left: multiply-adds.
        lost: the mean drop on the samples that were searched on.
    """

    gone: np.ndarray
    ratios: dict[str, float]
    left: int
    lost: float


def within(
    structure: Structure,
    groups: Sequence[Group],
    importance: np.ndarray,
    searched: Feed,
    judged: Feed,
    table: Table,
    most: float,
    round_to: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """The most multiply-adds saved while the answers lose at most so much, all layers together.

    Candidates are found on some samples and judged on others, from the one that takes least on: the
    first whose loss may be too large ends it, and the one before is taken. In this order all are
    judged with the confidence of one (Angelopoulos et al., arXiv 2110.01052): were data like the
    samples drawn again and again, the bound would hold in 95 of 100 cases.

    Args:
        structure: of the network.
        groups: what may go.
        importance: (units,).
        searched: samples to find candidates by; `table` is theirs.
        judged: other samples.
        table: the sensitivity of each layer.
        most: the mean of `quality.losses` to stay below.
        round_to: kept channels are a multiple of it.

    Returns:
        bool per unit, and for the run's details the ratios by layer, with what was lost.

    Raises:
        OptkitError: the samples are too few to vouch for so small a bound (bad input).
    """
    import numpy as np

    both_ways = judged.labels is not None
    _enough(len(judged), most, both_ways=both_ways)
    reference = answers(structure.network, judged)
    best, lost = None, np.zeros(len(judged))
    for one in _candidates(structure, groups, importance, searched, table, most, round_to):
        found = losses(reference, answers(cut(structure, one.gone), judged), judged)
        if chance(found, most, both_ways=both_ways) > 1 - CONFIDENCE:
            break
        best, lost = one, found
    return (best.gone if best else np.zeros(structure.count, bool)), {
        "ratios": best.ratios if best else {},
        "drop": float(lost.mean()),
        "drop_at_most": upper(lost, both_ways=both_ways),
        "confidence": CONFIDENCE,
        "judged_on": len(judged),
    }


def _enough(samples: int, most: float, *, both_ways: bool) -> None:
    if samples and least(samples, both_ways=both_ways) <= most:
        return
    wanted = max(samples, 8)
    while least(wanted, both_ways=both_ways) > most:
        wanted += max(1, wanted // 16)
    raise bad_input(
        f"max_drop: {samples} samples are left to judge by, and {most:g} cannot be told from them: "
        f"had not one answer changed, {wanted} would be needed",
        f"give {needed_for(wanted)} calibration samples and as large a subset_size, or allow more",
    )


def _candidates(
    structure: Structure,
    groups: Sequence[Group],
    importance: np.ndarray,
    samples: Feed,
    table: Table,
    most: float,
    round_to: int,
) -> list[Candidate]:
    """Those that save more than any that loses less, from the one that takes least on.

    Each layer takes the share that saves most for a price per drop; the price is found by
    bisection on the drop that is measured of the whole cut network.
    """
    reference = answers(structure.network, samples)
    terms = cost.multiply_adds(structure)
    known: dict[bytes, Candidate] = {}

    def tried(wanted: dict[str, float]) -> Candidate:
        gone = per_layer(groups, importance, wanted, round_to)
        key = gone.tobytes()
        if key not in known:
            lost = 0.0
            if gone.any():
                found = answers(cut(structure, gone), samples)
                lost = float(losses(reference, found, samples).mean())
            known[key] = Candidate(gone, wanted, cost.total(terms, gone), lost)
        return known[key]

    def search(low: float, high: float, wish: Callable[[float], dict[str, float]]) -> None:
        """Halve between an end that is too much and one that is little enough, for each part."""
        for part in _PARTS:
            ends = [low, high]
            for _ in range(_HALVINGS):
                middle = sum(ends) / 2
                ends[tried(wish(middle)).lost <= part * most] = middle

    search(-3.0, 5.0, lambda power: _at_price(groups, table, 10**power))
    # Layers that lose nothing one by one may lose much together: then all take a part of it.
    for power in (5.0, 1.0, 0.0):
        full = _at_price(groups, table, 10**power)
        search(0.0, 1.0, lambda held, full=full: {  # type: ignore[misc]
            name: ratio * (1 - held) for name, ratio in full.items()
        })  # fmt: skip
    return _front([one for one in known.values() if one.gone.any() and one.lost <= most])


def _at_price(groups: Sequence[Group], table: Table, price: float) -> dict[str, float]:
    """Of each layer the share that saves most, a drop costing so much."""
    chosen = {}
    for group in groups:
        rows = [{"ratio": 0.0, "drop": 0.0, "multiply_adds": 1.0}, *table.get(group.name, [])]
        best = max(rows, key=lambda row: 1 - row["multiply_adds"] - price * max(0.0, row["drop"]))
        chosen[group.name] = best["ratio"]
    return chosen


def _front(found: Sequence[Candidate]) -> list[Candidate]:
    front: list[Candidate] = []
    for one in sorted(found, key=lambda one: (one.lost, one.left)):
        if not front or one.left < front[-1].left:
            front.append(one)
    return front
