"""From a wish to the units that go."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.core.errors import bad_input
from optkit.pruning import cost
from optkit.pruning.choosing import least_that_fits, over_all, per_layer
from optkit.pruning.graph import layer_of, operation
from optkit.pruning.structure import Group, Structure

if TYPE_CHECKING:
    import numpy as np


# Each step of a measured bound takes seconds.
_MEASURED_STEPS = 7


@dataclass(frozen=True)
class Cost:
    """What a network computes and holds; the multiply-adds are of one inference."""

    multiply_adds: int
    parameters: int


@dataclass(frozen=True)
class Decision:
    """What goes.

    Attributes:
        gone: bool per unit.
        ratio: the share that was asked for or found; None where every layer has its own.
    """

    gone: np.ndarray
    ratio: float | None


def allowed(
    structure: Structure,
    names: Sequence[str] = (),
    patterns: Sequence[str] = (),
    types: Sequence[str] = (),
) -> tuple[Group, ...]:
    """The groups that touch no layer of an ignored scope.

    Raises:
        OptkitError: a name or a pattern fits no layer, or a type no operation (bad input).
    """
    kinds = _kinds(structure)
    known = {layer for group in structure.groups for layer in group.layers} | {*kinds}
    for name in names:
        if name not in known:
            some = ", ".join(sorted(known)[:8])
            raise bad_input(f"ignored_scope: no layer is called '{name}'", f"layers: {some}, …")
    for pattern in patterns:
        if not any(re.search(pattern, name) for name in known):
            raise bad_input(f"ignored_scope: '{pattern}' fits no layer", "mend it, or leave it out")
    for kind in types:
        if kind not in {*kinds.values()}:
            found = ", ".join(sorted({*kinds.values()}))
            raise bad_input(f"ignored_scope: no layer is a {kind}", f"there are: {found}")

    def ignored(layer: str) -> bool:
        return (
            layer in names
            or any(re.search(pattern, layer) for pattern in patterns)
            or kinds.get(layer) in types
        )

    return tuple(group for group in structure.groups if not any(map(ignored, group.layers)))


def _kinds(structure: Structure) -> dict[str, str]:
    """The operation that each layer's weight enters."""
    return {
        layer_of(given.target): operation(node)
        for node in structure.network.graph.nodes
        for given in node.all_input_nodes
        if given.op == "get_attr" and operation(node)
    }


def cost_of(structure: Structure, gone: np.ndarray) -> Cost:
    """What the network costs without some units."""
    return Cost(
        cost.total(cost.multiply_adds(structure), gone),
        cost.total(cost.parameters(structure), gone),
    )


def decide(
    structure: Structure,
    groups: Sequence[Group],
    importance: np.ndarray,
    *,
    scope: str,
    round_to: int,
    ratio: float | None = None,
    flops: float | None = None,
    parameters: float | None = None,
    fits: Callable[[np.ndarray], bool] | None = None,
) -> Decision:
    """Choose what goes, by a share of the channels or by what is to be left.

    Args:
        structure: of the network.
        groups: what may go.
        importance: (units,).
        scope: `per_layer` or `global`.
        round_to: kept channels are a multiple of it.
        ratio: the share to take.
        flops: the share of the multiply-adds that may be left.
        parameters: the share of the parameters that may be left.
        fits: any other bound.

    Raises:
        OptkitError: the bound cannot be met (bad input, with the least that can).
    """
    import numpy as np

    def take(share: float) -> np.ndarray:
        if scope == "global":
            return over_all(groups, importance, share, round_to)
        return per_layer(groups, importance, {group.name: share for group in groups}, round_to)

    if ratio is not None:
        return Decision(take(ratio), ratio)
    none = np.zeros(structure.count, bool)
    terms, bound, what = (
        (cost.multiply_adds(structure), flops, "flops")
        if flops is not None
        else (cost.parameters(structure), parameters, "parameters")
    )
    if fits is None:
        assert bound is not None
        most = bound * cost.total(terms, none)
        found = least_that_fits(take, lambda gone: cost.total(terms, gone) <= most)
    else:
        found = least_that_fits(take, fits, _MEASURED_STEPS)
    if found is None:
        least = cost.total(terms, take(1 - 1e-6)) / max(1, cost.total(terms, none))
        if fits is not None:
            raise bad_input("the latency asked for cannot be reached by pruning", "ask for less")
        raise bad_input(
            f"{what}: {bound:g} cannot be reached: with all that may go taken, {least:.3g} is left",
            f"{what}: {math.ceil(least * 100) / 100:g} or more, a smaller round_to, or a smaller "
            "ignored_scope",
        )
    return Decision(found[1], found[0])


def described(structure: Structure, groups: Sequence[Group], gone: np.ndarray) -> dict[str, Any]:
    """What was taken and what it saves, for the run's details."""
    import numpy as np

    before = cost_of(structure, np.zeros(structure.count, bool))
    after = cost_of(structure, gone)
    return {
        "multiply_adds": {"before": before.multiply_adds, "after": after.multiply_adds},
        "parameters": {"before": before.parameters, "after": after.parameters},
        "layers": {
            group.name: {
                "before": len(group.units) * group.width,
                "after": int((~gone[group.units]).sum()) * group.width,
            }
            for group in groups
        },
        "left": dict(structure.left),
    }


def nothing(structure: Structure, groups: Sequence[Group], round_to: int) -> str:
    """Why no unit goes."""
    if not structure.groups:
        return "no channel can go: " + ("; ".join(structure.left) or "no layer carries weights")
    if not groups:
        return "no channel can go: ignored_scope keeps every layer"
    return f"no channel can go within the bound while kept ones are a multiple of {round_to}"
