"""Linear operations with constant weights, and how a scale and a shift enter them.

A scale s and a shift t, one of each per channel, enter W·x + b from either side:

    s·(W·x + b) + t = (s·W)·x + (s·b + t)            on its output channels
    W·(s·x + t) + b = (W·s)·x + (b + Σ W·t)          on its input channels
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optkit.rewrite.graph import computed_by, constant, rank, sole_user
from optkit.rewrite.replacing import add_constant, fresh

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

AT_BORDER = "a shift before padding or ConvTranspose is not exact at the border"


@dataclass(frozen=True)
class Linear:
    """A linear operation on its first input, its weights laid out alike whatever its kind.

    Attributes:
        nodes: the operation, and the Add of its bias where a MatMul has one.
        weight: shape (groups, outputs / groups, inputs / groups, *kernel).
        bias: broadcasts against the output channels, its last axis; None for none.
        alpha: what the graph multiplies the weights with.
        rank: dimensions of its input and output; None where the graph does not tell.
    """

    nodes: tuple[ir.Node, ...]
    weight: np.ndarray
    bias: np.ndarray | None
    alpha: float
    rank: int | None

    @property
    def axis(self) -> int:
        """Where input and output have their channels, counted from the end."""
        return 2 - self.weight.ndim if self.nodes[0].op_type.startswith("Conv") else -1

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[0] * self.weight.shape[2])

    @property
    def outputs(self) -> int:
        return int(self.weight.shape[0] * self.weight.shape[1])


def linear_at(node: ir.Node) -> Linear | str:
    """A node of `KINDS`, read; or why it cannot be."""
    if node.op_type == "Gemm" and _number(node, "transA", 0):
        return "its Gemm transposes the data"
    weight = constant(node.inputs[1])
    held = node.inputs[2] if len(node.inputs) > 2 else None
    bias = constant(held)
    if weight is None or (held is not None and bias is None):
        return "the weights beside it are computed or can be fed"
    if node.op_type == "MatMul":
        if weight.ndim != 2:
            return "the weights beside it are no matrix"
        plain = Linear((node,), weight.T[None], None, 1.0, rank(node.inputs[0]))
        return _with_added_bias(plain)
    if node.op_type == "Gemm":
        matrix = weight if _number(node, "transB", 0) else weight.T
        bias = None if bias is None else bias * _number(node, "beta", 1.0)
        return Linear((node,), matrix[None], bias, _number(node, "alpha", 1.0), 2)
    groups = int(_number(node, "group", 1))
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    if node.op_type == "ConvTranspose":
        grouped = grouped.swapaxes(1, 2)
    return Linear((node,), grouped, bias, 1.0, weight.ndim)


def linear_before(value: ir.Value | None) -> Linear | str | None:
    """The linear operation that computes a value, if one does; or why it cannot be read."""
    node = computed_by(value, *KINDS)
    if node is not None:
        return linear_at(node)
    added = computed_by(value, "Add")
    for operand in () if added is None else added.inputs:
        product = computed_by(operand, "MatMul")
        found = None if product is None else linear_at(product)
        if isinstance(found, Linear) and found.nodes[-1] is added:
            return found
    return None


def scale_outputs(linear: Linear, scale: np.ndarray, shift: np.ndarray) -> Linear | str:
    """The operation with its outputs scaled and shifted; both of shape (outputs,), float64.

    A string says why it cannot be.
    """
    weight = linear.weight
    moved = shift if linear.bias is None else linear.bias.astype("float64") * scale + shift
    bias = None if linear.bias is None and not shift.any() else moved
    factors = scale.reshape(weight.shape[:2] + (1,) * (weight.ndim - 2))
    return _stored(linear, weight * factors, bias)  # the factors make it float64


def scale_inputs(linear: Linear, scale: np.ndarray, shift: np.ndarray) -> Linear | str:
    """The operation with its inputs scaled and shifted first; both of shape (inputs,), float64.

    A string says why it cannot be.
    """
    weight, bias = linear.weight.astype("float64"), linear.bias
    shape = (weight.shape[0], 1, weight.shape[2]) + (1,) * (weight.ndim - 3)
    if shift.any():
        if not _sees_every_tap(linear):
            return AT_BORDER
        moved = (weight * shift.reshape(shape)).sum(axis=tuple(range(2, weight.ndim))).reshape(-1)
        bias = moved * linear.alpha + (0.0 if bias is None else bias.astype("float64"))
    return _stored(linear, weight * scale.reshape(shape), bias)


def operations(linear: Linear) -> int:
    """How many nodes `build` makes."""
    apart = linear.nodes[0].op_type == "MatMul" and linear.bias is not None and linear.rank != 2
    return 2 if apart else 1


def build(linear: Linear, data: ir.Value, names: set[str]) -> list[ir.Node]:
    """New nodes that compute the operation on `data`; the last one's output is still unnamed.

    Weights become initializers of their own: others may go on reading the old ones.
    """
    import onnx_ir as ir

    node, weight = linear.nodes[0], linear.weight
    kind, attributes = node.op_type, dict(node.attributes)
    if kind == "ConvTranspose":
        weight = weight.swapaxes(1, 2)
    if kind.startswith("Conv"):
        weight = weight.reshape(-1, *weight.shape[2:])
    else:
        weight = weight[0] if kind == "Gemm" and _number(node, "transB", 0) else weight[0].T
    if kind == "Gemm":
        attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    if kind == "MatMul" and linear.bias is not None and linear.rank == 2:
        kind = "Gemm"

    base = node.inputs[1].name
    inputs = [data, add_constant(node, fresh(f"{base}_folded", names), weight)]
    if linear.bias is not None:
        inputs.append(add_constant(node, fresh(f"{base}_bias", names), linear.bias))
    facts = dict(node.metadata_props)
    if operations(linear) == 1:
        return [ir.node(kind, inputs, attributes, name=node.name, metadata_props=facts)]
    product = ir.node(kind, inputs[:2], attributes, name=node.name, metadata_props=facts)
    between, old = product.outputs[0], node.outputs[0]
    between.name, between.type, between.shape = (
        fresh(f"{old.name}_product", names),
        old.type,
        old.shape,
    )
    return [product, ir.node("Add", [between, inputs[2]])]


def _with_added_bias(linear: Linear) -> Linear:
    """A MatMul together with the Add of a constant per output channel after it."""
    node = linear.nodes[0]
    user = sole_user(node.outputs[0])
    added = None if user is None else computed_by(user.outputs[0], "Add")
    if added is None or added.graph is not node.graph:
        return linear
    bias = next((found for value in added.inputs if (found := constant(value)) is not None), None)
    if bias is None or bias.shape[-1:] != (linear.outputs,) or bias.size != linear.outputs:
        return linear
    if bias.ndim > (linear.rank or 1):
        return linear
    return replace(linear, nodes=(node, added), bias=bias.reshape(-1))


def _sees_every_tap(linear: Linear) -> bool:
    """Whether each output sums over the whole kernel, on data alone."""
    node = linear.nodes[0]
    if node.op_type in {"Gemm", "MatMul"}:
        return True
    pads = node.attributes.get("pads")
    if node.op_type == "ConvTranspose" or (pads is not None and any(pads.as_ints())):
        return False
    auto = node.attributes.get("auto_pad")
    point = all(size == 1 for size in linear.weight.shape[3:])
    return point or auto is None or auto.as_string() in {"NOTSET", "VALID"}


def _number(node: ir.Node, name: str, default: float) -> float:
    found = node.attributes.get(name)
    return default if found is None else float(found.value)


def _stored(linear: Linear, weight: np.ndarray, bias: np.ndarray | None) -> Linear | str:
    """The operation with these values in the dtype of its weights, where that only rounds."""
    dtype = linear.weight.dtype
    if not all(fits(array, dtype) for array in (weight, bias) if array is not None):
        return f"folded weights would not fit {dtype}"
    rounded = None if bias is None else bias.astype(dtype)
    return replace(linear, weight=weight.astype(dtype), bias=rounded)


def fits(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether a dtype holds the values up to rounding: none overflow, not all vanish."""
    import ml_dtypes
    import numpy as np

    limits = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    with np.errstate(all="ignore"):
        largest = max(array.max(initial=0.0), -array.min(initial=0.0))
    spacing = float(limits.smallest_subnormal)
    return bool(largest == 0 or 64 * spacing <= largest <= limits.max)  # False for NaN, too
