"""Fold chains of Mul, Add, Sub and Div by constants into one scale and shift, y = s·x + t."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from optkit.core.contract import Edit
from optkit.rewrite.graph import computed_by, constant, sole_user
from optkit.rewrite.linear import Linear, fits, linear_before
from optkit.rewrite.neighbours import NO_GAIN, NONE_BESIDE, fold_back, fold_on
from optkit.rewrite.replacing import add_constant, fresh, value_names

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

KINDS = ("Mul", "Add", "Sub", "Div")


@dataclass(frozen=True)
class Step:
    """A node that computes y = s·x + t.

    Attributes:
        node: the Mul, Add, Sub or Div.
        place: of x among its inputs.
        scale, shift: s and t, float64; together they broadcast as the node's constant does.
    """

    node: ir.Node
    place: int
    scale: np.ndarray
    shift: np.ndarray

    @property
    def data(self) -> ir.Value:
        value = self.node.inputs[self.place]
        assert value is not None
        return value


def fuse(model: ir.Model) -> Edit:
    """Fold each chain into the linear operation before it, else into those after it.

    The part of a chain that fits is folded where the whole does not. Chains that stay collapse
    into one Mul and one Add. Edits the model in place, the bodies of its control flow included.
    """
    names = value_names(model)
    changed, left, again = 0, Counter[str](), True
    while again:
        again, left = False, Counter()
        for chain in _chains(model):
            if any(step.node.graph is None for step in chain):
                continue  # folded with another
            why = _fold(chain, names)
            if why and not _collapse(chain, names):
                left[why] += why not in {NONE_BESIDE, NO_GAIN}
            else:
                changed, again = changed + 1, True
    return Edit(changed, +left)


def _chains(model: ir.Model) -> list[list[Step]]:
    """The longest runs of steps in which each reads the one before, and nothing else does."""
    chains: list[list[Step]] = []
    ending: dict[ir.Value, list[Step]] = {}
    for node in model.graph.all_nodes():
        step = _step(node)
        if step is None:
            continue
        chain = ending.get(step.data)
        here = chain is not None and chain[0].node.graph is node.graph
        if chain is None or not here or sole_user(step.data) is not node:
            chain = []
            chains.append(chain)
        chain.append(step)
        ending[node.outputs[0]] = chain
    return chains


def _step(node: ir.Node) -> Step | None:
    """A node as a scale and a shift; None where it is none, or is the bias of a MatMul."""
    import numpy as np

    if computed_by(node.outputs[0], *KINDS) is None:
        return None
    held = [constant(value) for value in node.inputs]
    first = held[0] is not None
    number = held[0] if first else held[1]
    if number is None or held[first] is not None or number.dtype.kind in "iub":
        return None
    if (first and node.op_type == "Div") or isinstance(linear_before(node.outputs[0]), Linear):
        return None
    number = number.astype("float64")
    if node.op_type in {"Mul", "Div"}:
        with np.errstate(divide="ignore"):
            scale = number if node.op_type == "Mul" else 1 / number
        return Step(node, int(first), scale, np.zeros_like(number))
    sign = np.asarray(-1.0 if node.op_type == "Sub" else 1.0)
    if first:  # c + x, c − x
        return Step(node, 1, sign, number)
    return Step(node, 0, np.ones(()), sign * number)


def _fold(chain: list[Step], names: set[str]) -> str:
    """Fold a chain, or what fits of it, into its neighbours; returns why not, or nothing."""
    reasons = []
    for length in range(len(chain), 0, -1):
        head, tail = chain[:length], chain[-length:]
        why = fold_back(_nodes(head), head[0].data, partial(_after, head), names)
        if why:
            reasons.append(why)
            why = fold_on(_nodes(tail), tail[0].data, partial(_before, tail), names)
        if not why:
            return ""
        reasons.append(why)
    return next((why for why in reasons if why not in {NONE_BESIDE, NO_GAIN}), NONE_BESIDE)


def _after(run: list[Step], linear: Linear, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The scale and shift of a linear operation's outputs; None unless one per channel."""
    import numpy as np

    for step in run:
        shape = step.shift.shape
        place = len(shape) + linear.axis
        if len(shape) > (linear.rank or 1) or any(
            size != 1 and (at != place or size != channels) for at, size in enumerate(shape)
        ):
            return None
    scale, shift = (np.broadcast_to(array.reshape(-1), (channels,)) for array in _composed(run))
    return scale, shift


def _before(run: list[Step], linear: Linear, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """As `_after` of its inputs; None, too, where the chain may widen what it reads."""
    shape = run[0].data.shape
    whole = shape is not None and len(shape) == linear.rank and shape[linear.axis] == channels
    scalars = all(step.shift.ndim == 0 for step in run)
    return _after(run, linear, channels) if whole or scalars else None


def _collapse(chain: list[Step], names: set[str]) -> bool:
    """Replace a chain by a Mul and an Add, or one of them, where that is shorter."""
    import numpy as np
    import onnx_ir as ir
    from onnx_ir import convenience

    shape = np.broadcast_shapes(*(step.shift.shape for step in chain))
    if math.prod(shape) > max(step.shift.size for step in chain):
        return False  # the constants would outgrow those they replace
    scale, shift = _composed(chain)
    parts = [("Mul", scale), ("Add", shift)]
    if not shift.any():
        parts = [("Mul", np.broadcast_to(scale, shape))]
    elif (scale == 1).all():
        parts = parts[1:]
    node, value = chain[0].node, chain[0].data
    held = constant(node.inputs[1 - chain[0].place])
    assert held is not None
    if len(parts) >= len(chain) or not all(fits(array, held.dtype) for _, array in parts):
        return False
    old, new = chain[-1].node.outputs[0], []
    for kind, array in parts:
        name = fresh(f"{old.name}_{kind}", names)
        number = add_constant(node, name, array.astype(held.dtype))
        new.append(ir.node(kind, [value, number]))
        value = new[-1].outputs[0]
        value.name = fresh(f"{old.name}_scaled", names)
        value.type = old.type
    assert node.graph is not None
    convenience.replace_nodes_and_values(
        node.graph, chain[-1].node, _nodes(chain), new, [old], [value]
    )
    return True


def _composed(run: list[Step]) -> tuple[np.ndarray, np.ndarray]:
    """The scale and shift of steps one after the other; the shift has the shape of them all."""
    import numpy as np

    scale, shift = np.ones(()), np.zeros(())
    with np.errstate(all="ignore"):  # what is not finite is refused where it is to be stored
        for step in run:
            scale, shift = scale * step.scale, shift * step.scale + step.shift
    return np.asarray(scale), np.asarray(shift)


def _nodes(run: list[Step]) -> list[ir.Node]:
    return [step.node for step in run]
