"""Drop what an ONNX graph computes or holds twice, and what only passes a value on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

_RANDOM = frozenset(
    ("Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
     "RandomUniformLike")
)  # fmt: skip

_LARGEST_ATTRIBUTE = 65536
"""Bytes of a tensor in an attribute above which nodes are not compared by it."""


def deterministic(node: ir.Node) -> bool:
    """Whether a node gives the same for the same inputs, as far as ONNX's operators tell.

    Operators of other domains may do anything. A Dropout is random where it can be told to train.
    """
    if node.domain not in {"", "ai.onnx"}:
        return False
    return node.op_type not in _RANDOM or (node.op_type == "Dropout" and len(node.inputs) < 3)


def merge(model: ir.Model) -> None:
    """Keep one of equal constants and one of equal nodes, and drop Identity; edits in place.

    Each graph is looked at by itself: a branch never reads what only the other one computes.
    """
    for graph in (model.graph, *model.graph.subgraphs()):
        _drop_identities(graph)
        _merge_constants(graph)
        _merge_nodes(graph)


def _drop_identities(graph: ir.Graph) -> None:
    for node in list(graph):
        if node.op_type != "Identity" or node.domain not in {"", "ai.onnx"}:
            continue
        value, copy = node.inputs[0], node.outputs[0]
        if value is None:
            continue
        if copy.is_graph_output():
            source = value.producer()
            if source is None or source.graph is not graph or value.is_graph_output():
                continue  # the value has a name of its own to keep
            copy.replace_all_uses_with(value, replace_graph_outputs=True)
            value.name, value.type, value.shape = copy.name, copy.type, copy.shape
        else:
            _stand_in(value, copy)
        graph.remove(node, safe=True)


def _merge_constants(graph: ir.Graph) -> None:
    import onnx_ir as ir

    kept: defaultdict[Hashable, list[ir.Value]] = defaultdict(list)
    for name, value in list(graph.initializers.items()):
        tensor = value.const_value
        if tensor is None or tensor.dtype == ir.DataType.STRING:
            continue
        if value.is_graph_input() or value.is_graph_output():
            continue
        beginning = tensor.numpy().reshape(-1)[:16].tobytes()
        alike = kept[tensor.dtype, tuple(tensor.shape), beginning]
        twin = next((v for v in alike if _bytes(v) == tensor.tobytes()), None)
        if twin is None:
            alike.append(value)
        else:
            _stand_in(twin, value)
            del graph.initializers[name]


def _merge_nodes(graph: ir.Graph) -> None:
    kept: dict[Hashable, ir.Node] = {}
    for node in list(graph):
        facts = _facts(node)
        twin = node if facts is None else kept.setdefault(facts, node)
        if twin is node or any(value.is_graph_output() for value in node.outputs):
            continue
        for mine, other in zip(node.outputs, twin.outputs, strict=True):
            _stand_in(other, mine)
        graph.remove(node, safe=True)


def _stand_in(value: ir.Value, gone: ir.Value) -> None:
    """Let a value be read in the place of an equal one."""
    value.shape = gone.shape if value.shape is None else value.shape
    value.type = gone.type if value.type is None else value.type
    gone.replace_all_uses_with(value)


def _facts(node: ir.Node) -> Hashable | None:
    """What decides a node's outputs; None where equal facts would not make them equal."""
    if not deterministic(node):
        return None
    attributes = []
    for name, attribute in sorted(node.attributes.items()):
        value = _attribute(attribute)
        if value is None:
            return None
        attributes.append((name, attribute.type, value))
    there = tuple(bool(value.name) for value in node.outputs)
    read = tuple(None if value is None else id(value) for value in node.inputs)
    return node.op_type, read, there, tuple(attributes)


def _attribute(attribute: ir.Attr) -> Hashable | None:
    from onnx_ir import AttributeType as Kind

    if attribute.is_ref():
        return None
    if attribute.type in {Kind.INTS, Kind.FLOATS, Kind.STRINGS}:
        return tuple(attribute.value)
    if attribute.type in {Kind.INT, Kind.FLOAT, Kind.STRING}:
        return (attribute.value,)
    if attribute.type == Kind.TENSOR:
        tensor = attribute.as_tensor()
        if tensor.dtype.is_string() or tensor.nbytes > _LARGEST_ATTRIBUTE:
            return None
        return tensor.dtype, tuple(tensor.shape), tensor.tobytes()
    return None


def _bytes(value: ir.Value) -> bytes:
    assert value.const_value is not None
    return bytes(value.const_value.tobytes())
