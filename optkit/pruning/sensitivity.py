"""What each layer can spare: the drop in quality against the share of its channels taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from optkit.core.contract import Progress, Remember
from optkit.pruning import cost
from optkit.pruning.choosing import per_layer
from optkit.pruning.feeding import Feed, spread
from optkit.pruning.importance import importance
from optkit.pruning.quality import answers, losses
from optkit.pruning.structure import Group, Structure
from optkit.pruning.surgery import cut

if TYPE_CHECKING:
    import numpy as np
    import torch

RATIOS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
"""The shares that are tried of every layer."""

Row = dict[str, Any]
Table = dict[str, list[Row]]
"""By layer, a row for each share: `ratio`, `drop`, `multiply_adds` (the share that is left)."""

Told = Callable[[int, str], None]

_MEASURED = 256


def parts(samples: Feed) -> tuple[Feed, Feed]:
    """Samples to measure and search on, half and 256 at most; and the others, to judge by."""
    measured = spread(len(samples), min(_MEASURED, (len(samples) + 1) // 2))
    others = sorted(set(range(len(samples))) - set(measured))
    return samples.part(measured), samples.part(others)


def needed_for(others: int) -> int:
    """How many samples it takes to leave so many to judge by."""
    return others + min(_MEASURED, others)


def measure(
    structure: Structure,
    criterion: str,
    samples: Feed,
    *,
    round_to: int,
    remember: Remember,
    progress: Progress,
) -> Table:
    """Cut one layer at a time, and see what that does to the answers.

    Every layer is remembered by itself: a killed run goes on with the next one.

    Args:
        structure: of the network, its batch free if `samples` go together.
        criterion: what units are ranked by, see `importance`.
        samples: what is asked; with labels the drop is one in accuracy, see `quality.losses`.
        round_to: kept channels are a multiple of it.
        remember: gives what was measured earlier.
        progress: told of every cut, with what was lost by it.
    """
    ranked = cache(lambda: importance(structure, criterion, samples))
    reference = cache(lambda: answers(structure.network, samples))
    table: Table = {}
    for at, group in enumerate(structure.groups):
        asked = {
            "criterion": criterion, "round_to": round_to, "samples": len(samples),
            "ratios": RATIOS, "layer": group.name,
        }  # fmt: skip

        def told(step: int, text: str, at: int = at) -> None:
            progress(at * len(RATIOS) + step, len(structure.groups) * len(RATIOS), text)

        def rows(group: Group = group, told: Told = told) -> list[Row]:
            return _rows(structure, group, ranked(), samples, reference(), round_to, told)

        table[group.name] = remember(__name__, asked, rows)
    return table


def _rows(
    structure: Structure,
    group: Group,
    ranked: np.ndarray,
    samples: Feed,
    reference: Sequence[torch.Tensor],
    round_to: int,
    told: Told,
) -> list[Row]:
    import numpy as np

    terms = cost.multiply_adds(structure)
    whole = max(1, cost.total(terms, np.zeros(structure.count, bool)))
    rows: list[Row] = []
    for step, ratio in enumerate(RATIOS):
        gone = per_layer([group], ranked, {group.name: ratio}, round_to)
        taken = float(gone.sum()) / len(group.units)
        if taken and not (rows and taken == rows[-1]["ratio"]):
            lost = losses(reference, answers(cut(structure, gone), samples), samples).mean()
            left = cost.total(terms, gone) / whole
            rows.append({"ratio": taken, "drop": float(lost), "multiply_adds": left})
            told(step + 1, f"{group.name} without {taken:.0%}: drop {lost:.4f}")
    return rows
