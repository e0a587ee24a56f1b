"""Fewer products: biases taken in, products in a row merged, products side by side joined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.core.contract import Edit
from optkit.rewrite.graph import sole_user
from optkit.rewrite.matrix_product import Product, products, transpose_of
from optkit.rewrite.replacing import add_constant, namer, replace

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

OVERFLOW = "the merged constants would overflow their precision"


@dataclass(frozen=True)
class _Work:
    model: ir.Model
    name: Callable[[str], str]
    left: Counter[str]


def fuse(model: ir.Model, *, join: bool = False) -> Edit:
    """Merge, then join, then take in biases, until nothing changes.

    Args:
        model: edited in place.
        join: whether products on one input become one and a Split.
    """
    name = namer(model)
    done = dict.fromkeys(("merged", "joined", "biases_taken_in"), 0)
    while True:
        work = _Work(model, name, Counter())
        found = list(products(model, work.left))
        count, kind = _merge_all(work, found), "merged"
        if not count:
            count, kind = _join_all(work, found, join), "joined"
        if not count:
            count, kind = sum(_take_in(work, product) for product in found), "biases_taken_in"
        if not count:
            return Edit(sum(done.values()), work.left, done)
        done[kind] += count


def _merge_all(work: _Work, found: Sequence[Product]) -> int:
    by_output = {product.output: product for product in found}
    count = 0
    for second in found:
        first = None if second.core.graph is None else by_output.get(second.source)
        if first is None or first.core.graph is None:
            continue  # no product, or merged already in this round
        reason = _unmergeable(first, second) or _merge(work, first, second)
        if reason:
            work.left[reason] += 1
        else:
            count += 1
    return count


def _unmergeable(first: Product, second: Product) -> str | None:
    inputs, middle = first.weight.shape
    outputs = second.weight.shape[1]
    if inputs * outputs >= middle * (inputs + outputs):
        return "merging two products in a row would cost more FLOPs"
    if first.core.graph is not second.core.graph:
        return "two products in a row lie in different graphs"
    if sole_user(first.output) is not second.core:
        return "the first of two products in a row is read elsewhere too"
    if first.transposed or second.transposed:
        return "one of two products in a row transposes its input"
    return None


def _merge(work: _Work, first: Product, second: Product) -> str | None:
    import numpy as np

    after = second.weight.astype(np.float64) * second.alpha
    weight = (first.weight.astype(np.float64) * first.alpha) @ after
    bias = None if first.bias is None else first.bias @ after
    if second.bias is not None:
        bias = second.bias if bias is None else bias + second.bias
    stored = _stored(weight, bias, first.weight.dtype)
    if stored is None:
        return OVERFLOW
    new = _nodes(work, second.output, first.source, stored, first.flat or second.flat)
    old = [*first.nodes, *second.nodes]
    replace(second.nodes[-1], old, new, [second.output], new[-1].outputs)
    return None


def _join_all(work: _Work, found: Sequence[Product], join: bool) -> int:
    groups: dict[tuple[ir.Value, ir.Graph | None], list[Product]] = defaultdict(list)
    for product in found:
        if not product.transposed:
            groups[product.source, product.core.graph].append(product)
    return sum(_join(work, group, join) for group in groups.values() if len(group) > 1)


def _unjoinable(group: Sequence[Product], join: bool) -> str | None:
    if not join:
        return "products on one input stay apart without `join: true`"
    weights = [product.core.inputs[1] for product in group]
    if any(weight is not None and len(weight.uses()) > 1 for weight in weights):
        return "a weight of products on one input is shared, and would be stored twice"
    return None


def _join(work: _Work, group: Sequence[Product], join: bool) -> bool:
    import numpy as np
    import onnx_ir as ir

    reason = _unjoinable(group, join)
    if reason is None:
        weight = np.concatenate([_scaled(product) for product in group], axis=1)
        stored = _stored(weight, _biases(group), group[0].weight.dtype)
    if reason or stored is None:
        work.left[reason or OVERFLOW] += 1
        return False
    stem, outputs = group[0].output.name, [product.output for product in group]
    flat = any(product.flat for product in group)
    new = _nodes(work, outputs[0], group[0].source, stored, flat)
    whole = new[-1].outputs[0]
    whole.name = work.name(f"{stem}_joined")
    widths = np.array([product.weight.shape[1] for product in group], np.int64)
    sizes = add_constant(work.model, work.name(f"{stem}_sizes"), widths)
    axis = ir.AttrInt64("axis", -1)
    split = ir.Node("", "Split", [whole, sizes], [axis], num_outputs=len(group))
    old = [node for product in group for node in product.nodes]
    replace(group[0].core, old, [*new, split], outputs, split.outputs)
    return True


def _take_in(work: _Work, product: Product) -> bool:
    """Let the product add the constants that Adds after it add; one Add where it cannot."""
    import onnx_ir as ir

    core, bias = product.core, product.bias
    if len(product.nodes) == 1 or bias is None:
        return False
    if not product.flat and len(product.nodes) == 2:
        work.left["the input is not known to have two dimensions, as a Gemm needs"] += 1
        return False
    stored = _stored(product.weight[:0, :0], bias, product.weight.dtype)
    if stored is None or stored[1] is None:
        work.left[OVERFLOW] += 1
        return False
    added = add_constant(work.model, work.name(f"{product.output.name}_bias"), stored[1])
    if product.flat:
        turned = transpose_of(core.inputs[1]) if core.op_type == "MatMul" else None
        kept = [item for key, item in core.attributes.items() if key != "beta"]
        if turned is not None:
            kept.append(ir.AttrInt64("transB", 1))
        new = [ir.Node("", "Gemm", [core.inputs[0], turned or core.inputs[1], added], kept)]
    else:
        plain = _matmul(work, product.output, core.inputs[0], core.inputs[1])
        new = [plain, ir.Node("", "Add", [plain.outputs[0], added])]
    replace(product.nodes[-1], product.nodes, new, [product.output], new[-1].outputs)
    return True


def _nodes(
    work: _Work, output: ir.Value, source: ir.Value,
    constants: tuple[np.ndarray, np.ndarray | None], flat: bool,
) -> list[ir.Node]:  # fmt: skip
    """The nodes of one product of `source`, its constants named after `output`."""
    import onnx_ir as ir

    weight, bias = constants
    held = add_constant(work.model, work.name(f"{output.name}_weight"), weight)
    if bias is None:
        return [_matmul(work, output, source, held)]
    added = add_constant(work.model, work.name(f"{output.name}_bias"), bias)
    if flat:
        return [ir.Node("", "Gemm", [source, held, added])]
    plain = _matmul(work, output, source, held)
    return [plain, ir.Node("", "Add", [plain.outputs[0], added])]


def _matmul(
    work: _Work, output: ir.Value, source: ir.Value | None, weight: ir.Value | None
) -> ir.Node:
    import onnx_ir as ir

    node = ir.Node("", "MatMul", [source, weight])
    node.outputs[0].name = work.name(f"{output.name}_product")
    return node


def _scaled(product: Product) -> np.ndarray:
    import numpy as np

    if product.alpha == 1:
        return product.weight
    return product.weight.astype(np.float64) * product.alpha


def _biases(group: Sequence[Product]) -> np.ndarray | None:
    """The biases side by side; a missing one is zeros."""
    import numpy as np

    if all(product.bias is None for product in group):
        return None
    return np.concatenate([
        np.zeros(product.weight.shape[1]) if product.bias is None else product.bias
        for product in group
    ])  # fmt: skip


def _stored(
    weight: np.ndarray, bias: np.ndarray | None, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Weight and bias in the precision they are stored in; None where they overflow it."""
    import numpy as np

    with np.errstate(over="ignore"):
        cast = [None if array is None else array.astype(dtype) for array in (weight, bias)]
    if not all(array is None or np.isfinite(array).all() for array in cast):
        return None
    return np.ascontiguousarray(cast[0]), cast[1]
