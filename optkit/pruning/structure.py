"""What can be taken out of a network, as `dependencies.analyse` finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.pruning.flow import Flow

if TYPE_CHECKING:
    import numpy as np
    import torch

    from optkit.pruning.coupling import Axis


@dataclass(frozen=True)
class Weight:
    """A tensor of the network, under every name it has.

    Attributes:
        names: the attributes that hold it; more than one where weights are tied.
        units: per axis, the unit that each index belongs to, -1 where it stays; None where all do.
    """

    names: tuple[str, ...]
    units: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Group:
    """Units that are alike: any of them can go, but not all.

    Attributes:
        name: the first layer that makes them.
        layers: every layer that loses something with them.
        units: their numbers, in the order of that layer's channels.
        width: channels of that layer per unit, 1 but for heads and grouped convolutions.
    """

    name: str
    layers: tuple[str, ...]
    units: np.ndarray
    width: int


@dataclass(frozen=True)
class Structure:
    """What can be taken out of a network.

    Attributes:
        network: the graph, untouched.
        flow: every value's shape and atoms.
        weights: every tensor that can lose something, by its first name.
        groups: what can go, by group.
        count: how many units there are.
        left: channels of weights that must stay, by the reason.
        unit_of: the unit that an atom belongs to, -1 where it stays.
    """

    network: torch.fx.GraphModule
    flow: Flow
    weights: Mapping[str, Weight]
    groups: tuple[Group, ...]
    count: int
    left: Mapping[str, int]
    unit_of: np.ndarray

    def units(self, axis: Axis) -> np.ndarray | None:
        """The units along an axis; None where all of it stays."""
        if axis is None:
            return None
        found: np.ndarray = self.unit_of[self.flow.channels.roots(axis)]
        return found if (found >= 0).any() else None
