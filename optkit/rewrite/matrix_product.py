"""MatMul and Gemm by constant matrices, with the constants added to what they give.

x·W + b   the bias enters the product: Gemm where x has two dimensions
(x·W₁ + b₁)·W₂ + b₂ = x·(W₁W₂) + (b₁W₂ + b₂)
x·W₁ + b₁, x·W₂ + b₂, … = the parts of x·[W₁ W₂ …] + [b₁ b₂ …]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.rewrite.graph import computed_by, constant, rank, sole_user

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


@dataclass(frozen=True)
class Product:
    """One linear operation on the last axis of its first input.

    Attributes:
        nodes: the MatMul or Gemm, and every Add of a constant after it.
        weight: (inputs, outputs), as the graph stores it.
        alpha: what the graph multiplies the weight with.
        bias: (outputs,) in float64; None for none.
        flat: whether its input is known to have two dimensions.
        transposed: whether it transposes its input first.
    """

    nodes: tuple[ir.Node, ...]
    weight: np.ndarray
    alpha: float
    bias: np.ndarray | None
    flat: bool
    transposed: bool

    @property
    def core(self) -> ir.Node:
        return self.nodes[0]

    @property
    def source(self) -> ir.Value:
        value = self.core.inputs[0]
        assert value is not None
        return value

    @property
    def output(self) -> ir.Value:
        return self.nodes[-1].outputs[0]


def products(model: ir.Model, left: Counter[str]) -> Iterator[Product]:
    """Every product of the model, in the bodies of If, Loop and Scan too."""
    for graph in model.graphs():
        for node in graph:
            found = _read(node, left) if _is(node, "MatMul", "Gemm") else None
            if found is not None:
                yield found


def matrix(value: ir.Value | None) -> np.ndarray | None:
    """A constant floating-point matrix, or a Transpose of one."""
    turned = transpose_of(value)
    array = constant(value if turned is None else turned)
    if array is None or array.ndim != 2 or not array.size or array.dtype.kind != "f":
        return None
    return array if turned is None else array.T


def transpose_of(value: ir.Value | None) -> ir.Value | None:
    """What a Transpose of a matrix reads."""
    node = computed_by(value, "Transpose")
    turns = node is not None and tuple(node.attributes.get_ints("perm", (1, 0))) == (1, 0)
    return node.inputs[0] if node is not None and turns else None


def _is(node: ir.Node, *kinds: str) -> bool:
    return computed_by(node.outputs[0], *kinds) is node if node.outputs else False


def _read(core: ir.Node, left: Counter[str]) -> Product | None:
    weight, alpha, bias, transposed = matrix(core.inputs[1]), 1.0, None, False
    if weight is None:
        return None
    if core.op_type == "Gemm":
        alpha = core.attributes.get_float("alpha", 1.0)
        transposed = bool(core.attributes.get_int("transA", 0))
        weight = weight.T if core.attributes.get_int("transB", 0) else weight
        held = core.inputs[2] if len(core.inputs) > 2 else None
        if held is not None:
            bias = _per_column(constant(held), weight.shape[1], 2)
            if bias is None:
                left["a Gemm adds what is not one constant per column"] += 1
                return None
            bias = bias * core.attributes.get_float("beta", 1.0)
    dims = 2 if core.op_type == "Gemm" else rank(core.inputs[0])
    nodes = [core]
    while (found := _added(nodes[-1], weight.shape[1], dims, left)) is not None:
        node, vector = found
        nodes.append(node)
        bias = vector if bias is None else bias + vector
    return Product(tuple(nodes), weight, alpha, bias, dims == 2, transposed)


def _added(
    node: ir.Node, columns: int, dims: int | None, left: Counter[str]
) -> tuple[ir.Node, np.ndarray] | None:
    """The Add of a constant that alone reads a node, and the constant by column."""
    value = node.outputs[0]
    adds = [use.node for use in value.uses() if _is(use.node, "Add")]
    constants = [
        other for add in adds for other in add.inputs
        if other is not value and constant(other) is not None
    ]  # fmt: skip
    if not constants:
        return None
    if sole_user(value) is None or adds[0].graph is not node.graph:
        left["a product is read by others beside the Add"] += 1
        return None
    vector = _per_column(constant(constants[0]), columns, dims)
    if vector is None:
        left["what is added is not one constant per column"] += 1
        return None
    return adds[0], vector


def _per_column(array: np.ndarray | None, columns: int, dims: int | None) -> np.ndarray | None:
    """A constant as (columns,) in float64, where adding it keeps the shape; None otherwise."""
    import numpy as np

    if array is None or array.ndim > (dims or 1):
        return None
    if array.size == 1:
        return np.full(columns, array.item(), np.float64)
    if array.size == columns == array.shape[-1]:
        return array.reshape(columns).astype(np.float64)
    return None
