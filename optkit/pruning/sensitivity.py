"""What each layer can spare: the drop in quality against the share of its channels taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optkit.pruning import cost
from optkit.pruning.choosing import per_layer
from optkit.pruning.feeding import Feed, spread
from optkit.pruning.quality import answers, losses
from optkit.pruning.structure import Structure
from optkit.pruning.surgery import cut

if TYPE_CHECKING:
    import numpy as np

RATIOS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
"""The shares that are tried of every layer."""

Table = dict[str, list[dict[str, Any]]]
"""By layer, a row for each share: `ratio`, `drop`, `multiply_adds` (the share that is left)."""

_MEASURED = 256


def question(criterion: str, round_to: int, samples: int) -> dict[str, Any]:
    """What a table hangs on beside the network and the data."""
    return {"criterion": criterion, "round_to": round_to, "samples": samples, "ratios": RATIOS}


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
    importance: np.ndarray,
    samples: Feed,
    *,
    round_to: int,
    progress: Callable[[int, int | None], None],
) -> Table:
    """Cut one layer at a time, and see what that does to the answers.

    Args:
        structure: of the network, its batch free if `samples` go together.
        importance: (units,).
        samples: what is asked; with labels the drop is one in accuracy, see `quality.losses`.
        round_to: kept channels are a multiple of it.
        progress: told of every cut.
    """
    import numpy as np

    reference = answers(structure.network, samples)
    terms = cost.multiply_adds(structure)
    whole = max(1, cost.total(terms, np.zeros(structure.count, bool)))
    table: Table = {}
    total = len(structure.groups) * len(RATIOS)
    for at, group in enumerate(structure.groups):
        rows: list[dict[str, Any]] = []
        for step, ratio in enumerate(RATIOS):
            progress(at * len(RATIOS) + step, total)
            gone = per_layer([group], importance, {group.name: ratio}, round_to)
            taken = float(gone.sum()) / len(group.units)
            if not taken or (rows and taken == rows[-1]["ratio"]):
                continue
            lost = losses(reference, answers(cut(structure, gone), samples), samples)
            left = cost.total(terms, gone) / whole
            rows.append({"ratio": taken, "drop": float(lost.mean()), "multiply_adds": left})
        table[group.name] = rows
    return table
