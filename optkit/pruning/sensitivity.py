"""What each layer can spare: the drop in quality against the share of its channels taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from optkit.pruning import cost
from optkit.pruning.choosing import per_layer
from optkit.pruning.dependencies import Group, Structure
from optkit.pruning.feeding import Feed
from optkit.pruning.quality import answers, drop
from optkit.pruning.surgery import cut

if TYPE_CHECKING:
    import numpy as np

RATIOS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
"""The shares that are tried of every layer."""

Table = dict[str, list[dict[str, Any]]]
"""By layer, a row for each share: `ratio`, `drop`, `multiply_adds` (the share that is left)."""

_HALVINGS = 16


def question(criterion: str, round_to: int, samples: int) -> dict[str, Any]:
    """What a table hangs on beside the network and the data."""
    return {"criterion": criterion, "round_to": round_to, "samples": samples, "ratios": RATIOS}


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
        samples: what is asked; with labels the drop is one in accuracy, see `quality.drop`.
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
            found = drop(reference, answers(cut(structure, gone), samples), samples)
            left = cost.total(terms, gone) / whole
            rows.append({"ratio": taken, "drop": found, "multiply_adds": left})
        table[group.name] = rows
    return table


def within(
    structure: Structure,
    groups: Sequence[Group],
    importance: np.ndarray,
    samples: Feed,
    table: Table,
    most: float,
    round_to: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """The most multiply-adds saved while the answers lose at most so much, all layers together.

    Each layer takes the share that saves most for a price per drop; the price is found by
    bisection on the drop that is measured of the whole cut network.

    Returns:
        bool per unit, and the ratios by layer with the drop measured, for the run's details.
    """
    import numpy as np

    reference = answers(structure.network, samples)

    def at_price(price: float) -> dict[str, float]:
        chosen = {}
        for group in groups:
            rows = [{"ratio": 0.0, "drop": 0.0, "multiply_adds": 1.0}, *table.get(group.name, [])]
            best = max(
                rows, key=lambda row: 1 - row["multiply_adds"] - price * max(0.0, row["drop"])
            )
            chosen[group.name] = best["ratio"]
        return chosen

    known: dict[bytes, float] = {}

    def tried(wanted: dict[str, float]) -> tuple[np.ndarray, float]:
        gone = per_layer(groups, importance, wanted, round_to)
        key = gone.tobytes()
        if key not in known:
            found = answers(cut(structure, gone), samples) if gone.any() else reference
            known[key] = drop(reference, found, samples)
        return gone, known[key]

    best, ratios, measured = np.zeros(structure.count, bool), dict[str, float](), 0.0

    def search(low: float, high: float, wish: Callable[[float], dict[str, float]]) -> None:
        """Halve between an end that is too much and one that is little enough."""
        nonlocal best, ratios, measured
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wanted = wish(middle)
            gone, lost = tried(wanted)
            if lost > most:
                low = middle
                continue
            high = middle
            if cost.total(terms, gone) <= cost.total(terms, best):
                best, ratios, measured = gone, wanted, lost

    terms = cost.multiply_adds(structure)
    search(-3.0, 5.0, lambda power: at_price(10**power))
    # Layers that lose nothing one by one may lose much together: then all take a part of it.
    for power in (5.0, 1.0, 0.0):
        full = at_price(10**power)
        search(0.0, 1.0, lambda held, full=full: {  # type: ignore[misc]
            name: ratio * (1 - held) for name, ratio in full.items()
        })  # fmt: skip
    return best, {"ratios": ratios, "drop": measured}
