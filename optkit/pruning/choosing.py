"""Which units go: a share of each layer, or as many as a bound asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from optkit.pruning.structure import Group

if TYPE_CHECKING:
    import numpy as np

# A layer that is ranked last as a whole still has something to do.
_LEAST = 0.1


def per_layer(
    groups: Sequence[Group], importance: np.ndarray, ratios: Mapping[str, float], round_to: int
) -> np.ndarray:
    """Take its share from each group, the least important units first.

    Args:
        groups: what can go.
        importance: (units,).
        ratios: by group's name, the share to take, 0 to below 1; a group without one stays whole.
        round_to: kept channels are a multiple of it, where there are as many.

    Returns:
        bool per unit: what goes. Every group keeps at least one unit.
    """
    import numpy as np

    gone = np.zeros(len(importance), bool)
    for group in groups:
        ratio = ratios.get(group.name, 0.0)
        kept = rounded(len(group.units) - math.floor(len(group.units) * ratio), group, round_to)
        order = np.argsort(importance[group.units], kind="stable")
        gone[group.units[order[: len(group.units) - kept]]] = True
    return gone


def over_all(
    groups: Sequence[Group], importance: np.ndarray, ratio: float, round_to: int
) -> np.ndarray:
    """Take the share from all groups together: where it is least important.

    Args, result: as of `per_layer`, the ratio being that of all units. A tenth of every group
    stays.
    """
    import numpy as np

    gone = np.zeros(len(importance), bool)
    if not groups:
        return gone
    units = np.concatenate([group.units for group in groups])
    order = units[np.argsort(importance[units], kind="stable")]
    below = np.zeros(len(importance), bool)
    below[order[: math.floor(len(order) * ratio)]] = True
    for group in groups:
        count = len(group.units)
        kept = max(count - int(below[group.units].sum()), math.ceil(count * _LEAST))
        kept = rounded(kept, group, round_to)
        order = np.argsort(importance[group.units], kind="stable")
        gone[group.units[order[: count - kept]]] = True
    return gone


def rounded(kept: int, group: Group, round_to: int) -> int:
    """The number of units whose channels are the nearest multiple; at least one, at most all."""
    if kept >= len(group.units):
        return len(group.units)
    step = max(1, round_to // math.gcd(round_to, group.width))
    return min(len(group.units), max(step, math.floor(kept / step + 0.5) * step, 1))


def least_that_fits(
    take: Callable[[float], np.ndarray], fits: Callable[[np.ndarray], bool], steps: int = 24
) -> tuple[float, np.ndarray] | None:
    """The smallest share with which a bound holds, by bisection; None where none does.

    Args:
        take: from a share, 0 to below 1, to what goes.
        fits: whether the bound then holds; if it does, it does for more as well.
        steps: halvings.
    """
    low, high = 0.0, 1.0 - 1e-6
    if not fits(take(high)):
        return None
    for _ in range(steps):
        middle = (low + high) / 2
        if fits(take(middle)):
            high = middle
        else:
            low = middle
    return high, take(high)
