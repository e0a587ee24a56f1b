"""Lower an ONNX graph to half precision, node by node, with casts where precisions meet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from optkit.rewrite.half import LARGEST, OVERFLOWS, touching

if TYPE_CHECKING:
    import onnx_ir as ir

    Places = tuple[frozenset[int], frozenset[int]]

_WIDE = frozenset({
    "Cast", "CumSum", "DequantizeLinear", "DynamicQuantizeLinear", "NonMaxSuppression",
    "QuantizeLinear", "Range", "RoiAlign", "TopK",
    "Bernoulli", "EyeLike", "RandomNormalLike", "RandomUniformLike",
    "ScatterElements", "ScatterND",
})  # fmt: skip
"""Operations that count, rank or place by their values; whose output's type follows no rule of the
schema; that ONNX Runtime loads in half precision and then, reducing, refuses to run."""

_AS_LARGE = frozenset({
    "Add", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max", "Min", "Neg", "Pad",
    "Reshape", "Slice", "Split", "Squeeze", "Sub", "Tile", "Transpose", "Trilu", "Unsqueeze",
    "Where",
})  # fmt: skip
"""Operations whose output is about as large as what they read."""


def gather_weights(model: ir.Model) -> None:
    """Make every constant, those in bodies too, an initializer of the main graph; in place."""
    from onnx_ir.passes import common

    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.LiftSubgraphInitializersToMainGraphPass()(model)
    model.opset_imports.setdefault("", 13)  # for casts, where no operation is ONNX's own


def lower(
    model: ir.Model, kept: Mapping[str, str], nodes: Collection[str], half_ends: Collection[str]
) -> None:
    """Rewrite the graph in place: float16 weights, and nodes that compute in float16.

    The bodies of If, Loop and Scan compute in float32 with weights from float16.

    Args:
        model: weights gathered, nodes named, types inferred.
        kept: names of values that half precision does not hold, with the reason.
        nodes: names of further nodes that stay in float32, with the weights they read.
        half_ends: names of inputs and outputs that become float16.
    """
    import onnx_ir as ir

    graph = model.graph
    large = [name for name, why in kept.items() if why.startswith(OVERFLOWS)]
    risky, clamped = _may_overflow(model, large)
    blocked = {*nodes, *risky, *touching(model, kept)}
    places = {node: _places(node, model.opset_imports[""]) for node in graph.all_nodes()
              if node.name not in blocked}  # fmt: skip
    halved = {node: at for node, at in places.items() if at and node.graph is graph}
    weights = [value for value in graph.initializers.values() if _is_float(value)]
    made = [value for node in graph for value in node.outputs if _is_float(value)]
    inputs = [value for value in graph.inputs if _is_float(value)]
    half: set[ir.Value] = {value for value in inputs if value.name in half_ends}
    for value in weights:
        readers = [(places.get(use.node), use.idx) for use in value.uses()]
        if _is_end(value) or not all(at is not None and i in at[0] for at, i in readers):
            continue
        _store_half(value)
        half.add(value)
    half |= {node.outputs[i] for node, at in halved.items() for i in at[1]}
    for value in half:
        value.type = ir.TensorType(ir.DataType.FLOAT16)
    meet = _Meeting(model, halved, half, clamped, half_ends)
    for value in dict.fromkeys((*inputs, *weights, *made)):
        meet.bridge(value)


def _may_overflow(model: ir.Model, large: Iterable[str]) -> tuple[set[str], set[str]]:
    """What follows values out of the range, as a mask of -3.4e38 that is added to scores.

    Args:
        model: the float32 model.
        large: names of values that overflow.

    Returns:
        Names of the nodes that must not compute in half precision, and of the values that they
        give, which are to be clamped before they are rounded to it.
    """
    wanted, nodes, values = set(large), set[str](), set[str]()
    for node in model.graph.all_nodes():  # sorted: a value comes before its readers
        large_ones = [v for v in node.inputs if v is not None and v.name in wanted]
        if any(v.const_value is not None for v in large_ones) or (
            large_ones and node.op_type in _AS_LARGE
        ):
            nodes.add(str(node.name))
            given = {str(value.name) for value in node.outputs}
            values |= given
            wanted |= given
    return nodes, values


class _Meeting:
    """Casts between values and those who read them."""

    def __init__(
        self, model: ir.Model, halved: dict[ir.Node, Places], half: set[ir.Value],
        clamped: Collection[str], half_ends: Collection[str],
    ) -> None:  # fmt: skip
        from optkit.rewrite.replacing import namer

        self.model, self.halved, self.half = model, halved, half
        self.clamped, self.half_ends, self.name = clamped, half_ends, namer(model)

    def bridge(self, value: ir.Value) -> None:
        """Give each reader of a value, and the outputs, the type they want."""
        graph, is_half = self.model.graph, value in self.half
        others = [use for use in value.uses() if self._wants_half(*use) != is_half]
        places = [i for i, output in enumerate(graph.outputs) if output is value]
        moves = bool(places) and (value.name in self.half_ends) != is_half
        if not others and not moves:
            return
        copy = self._cast(value, to_half=not is_half)
        for use in others:
            use.node.replace_input_with(use.idx, copy)
        if moves:
            copy.name, value.name = value.name, copy.name
            for i in places:
                graph.outputs[i] = copy

    def _wants_half(self, node: ir.Node, place: int) -> bool:
        return node in self.halved and place in self.halved[node][0]

    def _cast(self, value: ir.Value, *, to_half: bool) -> ir.Value:
        import onnx_ir as ir

        kind = ir.DataType.FLOAT16 if to_half else ir.DataType.FLOAT
        nodes = [self._clamp(value)] if to_half and value.name in self.clamped else []
        source = nodes[0].outputs[0] if nodes else value
        name = self.name(f"{value.name}_{'half' if to_half else 'float'}")
        nodes.append(ir.node("Cast", [source], {"to": kind}, name=f"{name}_cast"))
        copy = nodes[-1].outputs[0]
        copy.name, copy.type, copy.shape = name, ir.TensorType(kind), value.shape
        producer, graph = value.producer(), self.model.graph
        if producer is not None:
            graph.insert_after(producer, nodes)
        elif len(graph):
            graph.insert_before(graph[0], nodes)
        else:
            graph.extend(nodes)
        return copy

    def _clamp(self, value: ir.Value) -> ir.Node:
        import numpy as np
        import onnx_ir as ir

        from optkit.rewrite.replacing import add_constant

        name = self.name(f"{value.name}_clamped")
        bounds = [
            add_constant(self.model, self.name(f"{name}_{word}"), np.array(bound, "f4"))
            for word, bound in (("low", -LARGEST), ("high", LARGEST))
        ]
        node = ir.node("Clip", [value, *bounds], name=name)
        copy = node.outputs[0]
        copy.name, copy.type, copy.shape = name, value.type, value.shape
        return node


def _places(node: ir.Node, opset: int) -> Places | None:
    """Inputs and outputs of a node that can be float16, where they are float32; None: no such node.

    What is float32 by the schema, as the scales of Resize, stays so.
    """
    import onnx
    import onnx_ir as ir

    if node.domain not in {"", "ai.onnx"} or node.op_type in _WIDE or _is_beside_quantization(node):
        return None
    if any(a.type in {ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS}
           for a in node.attributes.values()):  # fmt: skip
        return None
    values = [value for value in (*node.inputs, *node.outputs) if value is not None and value.name]
    if any(not isinstance(value.type, ir.TensorType) for value in values):
        return None
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    read: dict[int, str] = {}
    for i, value in enumerate(node.inputs):
        word = schema.inputs[min(i, len(schema.inputs) - 1)].type_str
        if value is None or not _is_float(value) or word == "tensor(float)":
            continue
        if "tensor(float16)" not in allowed.get(word, ()):
            return None
        read[i] = word
    words = set(read.values())
    given = {
        i for i, value in enumerate(node.outputs)
        if _is_float(value)
        and schema.outputs[min(i, len(schema.outputs) - 1)].type_str in words
    }  # fmt: skip
    if not read or any(_is_end_of_body(node.outputs[i], node) for i in given):
        return None
    return frozenset(read), frozenset(given)


def _is_beside_quantization(node: ir.Node) -> bool:
    """Whether an integer kernel may take this node's place."""
    makers = [value.producer() for value in node.inputs if value is not None]
    users = [use.node for value in node.outputs for use in value.uses()]
    return any(made is not None and made.op_type == "DequantizeLinear" for made in makers) or any(
        user.op_type == "QuantizeLinear" for user in users
    )


def _is_end_of_body(value: ir.Value, node: ir.Node) -> bool:
    """Whether a body gives out a value from outside of it."""
    own = () if node.graph is None else node.graph.outputs
    return bool(value.is_graph_output()) and all(output is not value for output in own)


def _is_end(value: ir.Value) -> bool:
    return bool(value.is_graph_input() or value.is_graph_output())


def _is_float(value: ir.Value) -> bool:
    import onnx_ir as ir

    return isinstance(value.type, ir.TensorType) and value.dtype == ir.DataType.FLOAT


def _store_half(value: ir.Value) -> None:
    import numpy as np
    import onnx_ir as ir

    assert value.const_value is not None
    value.const_value = ir.tensor(value.const_value.numpy().astype(np.float16), name=value.name)
