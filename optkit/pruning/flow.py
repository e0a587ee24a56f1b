"""What a rule sees of the graph while channels are followed through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optkit.pruning.coupling import Coupling

if TYPE_CHECKING:
    from optkit.pruning.coupling import Axes, Axis

Shape = tuple[int, ...]


@dataclass
class Flow:
    """The channels of every value so far.

    Attributes:
        shapes: by node, its value's shape; a list of shapes for several values; None for no tensor.
        axes: by node, the atoms along its value's axes, or a list of those.
        channels: which atoms go together.
        here: the operation at hand, for reasons.
    """

    shapes: dict[Any, Any]
    axes: dict[Any, Any] = field(default_factory=dict)
    channels: Coupling = field(default_factory=Coupling)
    here: str = ""

    def of(self, node: Any) -> Axes:
        """The atoms along a tensor's axes."""
        found: Axes = self.axes[node]
        return found

    def shape(self, node: Any) -> Shape:
        """A tensor's shape in the recorded run."""
        found: Shape = self.shapes[node]
        return found

    def is_tensor(self, value: Any) -> bool:
        """Whether an argument is a node that gives one tensor."""
        return _hashable(value) and isinstance(self.shapes.get(value), tuple)

    def tie(self, one: Axis, other: Axis) -> None:
        """Both axes lose the same indices."""
        self.channels.tie(one, other, self.here)

    def fix(self, *axes: Axis) -> None:
        """These axes keep every index."""
        for axis in axes:
            self.channels.fix(axis, self.here)


Rule = Callable[[Flow, Any], Any]
"""From a flow and a node to the atoms of the node's value, after tying those of its inputs."""


def argument(node: Any, position: int, name: str, default: Any = None) -> Any:
    """An operation's argument, however it was given."""
    if position < len(node.args):
        return node.args[position]
    return node.kwargs.get(name, default)


def tensors(flow: Flow, node: Any) -> list[Any]:
    """Every tensor that a node reads."""
    return [given for given in node.all_input_nodes if flow.is_tensor(given)]


def axis_at(index: int, rank: int) -> int:
    """An axis counted from the front."""
    return index + rank if index < 0 else index


def unknown(flow: Flow, node: Any) -> Any:
    """What nothing is known of: every channel that it reads stays."""
    for given in node.all_input_nodes:
        found = flow.axes.get(given)
        for axes in (found or ()) if _several(found) else [found]:
            flow.fix(*(axes or ()))
    shape = flow.shapes.get(node)
    if isinstance(shape, list):
        return [[None] * len(item or ()) for item in shape]
    return [None] * len(shape or ())


def broadcast(flow: Flow, node: Any, given: Sequence[Any]) -> Axes:
    """Tie tensors along the axes that they share once aligned on the right."""
    shape = flow.shape(node)
    out: Axes = []
    for back in range(len(shape), 0, -1):
        known: list[Axis] = []
        for item in given:
            rank = len(flow.shape(item))
            if back > rank:
                continue
            axis = flow.of(item)[rank - back]
            if flow.shape(item)[rank - back] == shape[-back]:
                known.append(axis)
            else:  # repeated along this axis
                flow.fix(axis)
        for other in known[1:]:
            flow.tie(known[0], other)
        free = [axis for axis in known if axis is not None]
        out.append(free[0] if known and len(free) == len(known) else None)
    return out


def _several(axes: Any) -> bool:
    return bool(axes) and any(isinstance(item, list) for item in axes)


def _hashable(value: Any) -> bool:
    return hasattr(value, "all_input_nodes")
