"""Fold constants, merge equal nodes and drop dead ones, within a bound on the file's size."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from optkit.core.contract import Edit
from optkit.core.errors import root_cause
from optkit.rewrite.folding import (
    NoRoomError,
    constant_bytes,
    fold,
    output_bytes,
    reads_constants_alone,
)
from optkit.rewrite.plainer import know_casts, pad_in_convs
from optkit.rewrite.redundant import merge

if TYPE_CHECKING:
    import onnx_ir as ir

    Tensors = dict[str, ir.TensorProtocol]

HEAVY = 65536
"""Bytes above which onnxsim neither sees a constant nor makes one: it copies the model several
times over, and its own bound holds for each constant, not for their sum."""

_SKIPPED = (
    "eliminate_common_subexpression",  # makes one of two random nodes
    "fuse_add_bias_into_conv", "fuse_bn_into_conv", "fuse_matmul_add_bias_into_gemm",
    "fuse_matmul_add_bias_into_gemm_batched",
    "fuse_pad_into_conv", "fuse_pad_into_pool", "fuse_qkv", "fuse_transpose_into_gemm",
)  # fmt: skip
"""What onnxsim is not to do: to fuse is the work of other rewritings."""

_TINY = 1024
"""Bytes up to which a constant may always be made: shape arithmetic."""

_ROUNDS = 8

_PLAINER = {"CastLike", "Pad"}
"""What another round may find plainer words for."""


def simplify(model: ir.Model, limit: int) -> Edit:
    """Fold and drop until nothing changes any more.

    Inputs and outputs keep names, types and dimensions; an initializer that can be fed is no
    constant. Functions of the model are inlined.

    Args:
        model: the model, its shapes inferred; the result is another one.
        limit: bytes by which the constants together may grow, and above which no constant is made
            that takes more than what it replaces.
    """
    start, held = _state(model), constant_bytes(model)
    try:
        work, left = _fixed_point(model, limit, held + limit, growing=True)
    except NoRoomError:  # all or nothing: a part would leave the rest to a second application
        work, left = _fixed_point(model, limit, held + limit, growing=False)
        left["folding all of it would let the constants grow beyond the bound"] = 1
    if _state(work) == start:
        return Edit(0, left)
    _give_face(work, model)
    operations, after = start[0], _state(work)[0]
    removed, added = operations - after, after - operations
    details = {
        "removed": dict(removed),
        "added": dict(added),
        "constant_bytes": {"before": held, "after": constant_bytes(work)},
    }
    return Edit(max(1, removed.total()), left, details, work)


def _fixed_point(
    model: ir.Model, limit: int, most: int, *, growing: bool
) -> tuple[ir.Model, Counter[str]]:
    """Another model, on which one more round changes nothing, and what was left alone.

    Args:
        model: the model.
        limit: as in `simplify`.
        most: bytes of all the constants together that are not to be exceeded.
        growing: whether constants may be made that take more than what they replace; else only
            tiny ones.

    Raises:
        NoRoomError: `most` would have to be exceeded.
    """
    from onnx_ir.passes import common

    work = model.clone()
    common.InlinePass()(work)
    left: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        before = _state(work)
        know_casts(work)
        pad_in_convs(work)
        simpler, refused = _by_onnxsim(work, max(_TINY, min(limit, HEAVY)) if growing else _TINY)
        room = most - constant_bytes(simpler)
        if room >= 0:
            work = simpler
        elif growing:
            raise NoRoomError
        else:
            refused = "onnxsim would let the constants grow beyond the bound"
        simplified = _state(work)
        stopped = fold(work, limit, room if growing else None)
        merge(work)
        common.RemoveUnusedNodesPass()(work)
        left = Counter(why for why in (refused, stopped) if why)
        after = _state(work)
        # onnxsim goes on by itself until nothing changes: another time it would do nothing more
        if after == before or (after == simplified and not _PLAINER & after[0].keys()):
            break
    return work, left


def _state(model: ir.Model) -> tuple[Counter[str], int]:
    """What one more round has to change: the operations, and the bytes of the constants."""
    kinds = Counter(node.op_type for node in model.graph.all_nodes() if node.op_type != "Constant")
    return kinds, constant_bytes(model)


def _by_onnxsim(model: ir.Model, largest: int) -> tuple[ir.Model, str | None]:
    """What onnxsim makes of the model without its large constants; the model where it refuses."""
    import onnx_ir as ir
    import onnxsim

    _lift(model)
    inputs = len(model.graph.inputs)
    growing = any(map(_grows, model.graph.all_nodes()))
    out = _take_out(model)
    light = ir.to_proto(model)
    if growing:  # onnxsim would follow every element of them, as far as their shapes are told
        del light.graph.value_info[:]
    try:
        simpler, _ = onnxsim.simplify(
            light,
            skipped_optimizers=list(_SKIPPED),
            tensor_size_threshold=f"{largest}B",
        )
        made = ir.from_proto(simpler)
    except Exception as error:
        _put_back(model, inputs, out)
        return model, f"onnxsim refuses the model: {root_cause(error)}"
    _put_back(made, inputs, out)
    _put_back(model, inputs, out)
    if _names(made) != _names(model):
        return model, "onnxsim would change the inputs or outputs"
    return made, None


def _lift(model: ir.Model) -> None:
    """Make initializers of what stands in nodes of the main graph and is to be taken out."""
    import onnx_ir as ir

    for node in list(model.graph):
        if node.op_type != "Constant" or node.domain not in {"", "ai.onnx"}:
            continue
        value = node.outputs[0]
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is None or value.is_graph_output() or not _no_constant(value, tensor):
            continue
        held = ir.Value(
            name=value.name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape),
            const_value=tensor,
        )  # fmt: skip
        value.replace_all_uses_with(held)
        model.graph.remove(node, safe=True)
        model.graph.register_initializer(held)


def _take_out(model: ir.Model) -> Tensors:
    """Make plain inputs of the initializers that are no constants to onnxsim; what they held."""
    graph = model.graph
    out = {
        name: value.const_value
        for name, value in graph.initializers.items()
        if value.const_value is not None
        and not value.is_graph_output()
        and _no_constant(value, value.const_value)
    }
    for name in out:
        value = graph.initializers.pop(name)
        if not value.is_graph_input():
            graph.inputs.append(value)
    return out


def _no_constant(value: ir.Value, tensor: ir.TensorProtocol) -> bool:
    """Whether onnxsim is not to fold with a constant.

    So it is where the constant is large, can be fed, is quantized, which onnxsim would undo, or
    describes a large one: onnxsim would compute that before it looks at the size.
    """
    return (
        tensor.nbytes > HEAVY
        or value.is_graph_input()
        or any(map(_keeps_constants, value.consumers()))
    )


def _keeps_constants(node: ir.Node) -> bool:
    return node.op_type == "DequantizeLinear" or _grows(node)


def _grows(node: ir.Node) -> bool:
    """Whether a node computes a large constant."""
    return reads_constants_alone(node) and (output_bytes(node) or 0) > HEAVY


def _put_back(model: ir.Model, inputs: int, out: Tensors) -> None:
    """Undo `_take_out`, on the model itself or on what was made of it."""
    graph = model.graph
    held = [value for value in graph.inputs if value.name in out]
    while len(graph.inputs) > inputs:
        graph.inputs.pop()
    for value in held:
        assert value.name is not None
        if value.uses() or value.is_graph_input() or value.is_graph_output():
            value.const_value = out[value.name]
            graph.register_initializer(value)


def _names(model: ir.Model) -> tuple[list[str | None], list[str | None]]:
    graph = model.graph
    return [value.name for value in graph.inputs], [value.name for value in graph.outputs]


def _give_face(model: ir.Model, source: ir.Model) -> None:
    """Types and dimensions of inputs and outputs, and what the file says of itself."""
    for side in ("inputs", "outputs"):
        pairs = zip(getattr(model.graph, side), getattr(source.graph, side), strict=True)
        for mine, other in pairs:
            mine.type, mine.shape = other.type, other.shape
    model.metadata_props.clear()
    model.metadata_props.update(source.metadata_props)
    model.ir_version = max(source.ir_version, 4)  # up to 3, every constant would be an input
