"""What a network computes and holds, before anything is cut and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optkit.pruning.graph import groups_of, is_transposed, operation
from optkit.pruning.structure import Structure

if TYPE_CHECKING:
    import numpy as np

    from optkit.pruning.coupling import Axis


@dataclass(frozen=True)
class Term:
    """A product: a number times the lengths of some axes, by the units along them."""

    fixed: int
    axes: tuple[np.ndarray, ...]

    def value(self, gone: np.ndarray) -> int:
        """The product once units are gone (bool per unit)."""
        return self.fixed * math.prod(length(units, gone) for units in self.axes)


def length(units: np.ndarray, gone: np.ndarray) -> int:
    """How many indices are left along an axis."""
    return int(len(units) - gone[units[units >= 0]].sum())


def total(terms: Sequence[Term], gone: np.ndarray) -> int:
    """All of them together."""
    return sum(term.value(gone) for term in terms)


def parameters(structure: Structure) -> list[Term]:
    """The number of trained values, a term per tensor."""
    found = []
    for name, weight in structure.weights.items():
        shape = structure.flow.shapes[_node(structure, name)]
        found.append(_term(shape, weight.units))
    return found


def multiply_adds(structure: Structure) -> list[Term]:
    """Multiply-adds of one inference of the recorded size, a term per operation that has some."""
    found = []
    for node in structure.network.graph.nodes:
        name = operation(node)
        if "conv" in name and name in _CONVOLUTIONS:
            found.append(_convolution(structure, node))
        elif name == "linear":
            found.append(_product(structure, node, node.args[1], 1))
        elif name == "addmm":
            found.append(_product(structure, node, node.args[2], 0))
        elif name in {"mm", "bmm", "matmul"}:
            rank = len(structure.flow.shape(node.args[1]))
            found.append(_product(structure, node, node.args[1], max(0, rank - 2)))
        elif name == "scaled_dot_product_attention":
            found += _attention(structure, node)
    return found


_CONVOLUTIONS = {
    "conv1d", "conv2d", "conv3d", "convolution", "_convolution", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d",
}  # fmt: skip


def _node(structure: Structure, name: str) -> Any:
    nodes = structure.network.graph.nodes
    return next(node for node in nodes if node.op == "get_attr" and node.target == name)


def _term(shape: Sequence[int], units: Sequence[np.ndarray | None]) -> Term:
    fixed = math.prod(size for size, axis in zip(shape, units, strict=True) if axis is None)
    return Term(fixed, tuple(axis for axis in units if axis is not None))


def _joined(structure: Structure, shape: Sequence[int], axes: Sequence[Axis]) -> Term:
    return _term(shape, [structure.units(axis) for axis in axes])


def _convolution(structure: Structure, node: Any) -> Term:
    flow, (x, weight) = structure.flow, node.args[:2]
    shape, axes = flow.shape(weight), flow.of(weight)
    if is_transposed(node):  # every input value meets every value of its kernel
        here = _joined(structure, flow.shape(x), flow.of(x))
        per = _joined(structure, shape[1:], axes[1:])
    else:
        here = _joined(structure, flow.shape(node), flow.of(node))
        per = _joined(structure, shape[1:], axes[1:])
        assert groups_of(node) == 1 or not per.axes
    return Term(here.fixed * per.fixed, here.axes + per.axes)


def _product(structure: Structure, node: Any, weight: Any, inner: int) -> Term:
    flow = structure.flow
    here = _joined(structure, flow.shape(node), flow.of(node))
    per = _joined(structure, flow.shape(weight)[inner:][:1], flow.of(weight)[inner:][:1])
    return Term(here.fixed * per.fixed, here.axes + per.axes)


def _attention(structure: Structure, node: Any) -> list[Term]:
    """Both products: q kᵀ, and the scores times v."""
    flow = structure.flow
    q, k, v = node.args[:3]
    keys = flow.shape(k)[-2]
    terms = []
    for item in (q, v):
        shape = (*flow.shape(q)[:-1], flow.shape(item)[-1])
        axes = [*flow.of(q)[:-1], flow.of(item)[-1]]
        term = _joined(structure, shape, axes)
        terms.append(Term(term.fixed * keys, term.axes))
    return terms
