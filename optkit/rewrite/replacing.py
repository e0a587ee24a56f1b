"""Put new nodes and constants into an ONNX graph in the place of old ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def namer(model: ir.Model) -> Callable[[str], str]:
    """A function that makes of a stem a name that no value of the model has, in any graph."""
    names = value_names(model)
    return lambda stem: fresh(stem, names)


def value_names(model: ir.Model) -> set[str]:
    """Every name that a new value must not take, bodies of control flow included."""
    graphs = [model.graph, *model.graph.subgraphs()]
    inputs = [
        value.name for graph in graphs for value in (*graph.inputs, *graph.initializers.values())
    ]
    outputs = [value.name for node in model.graph.all_nodes() for value in node.outputs]
    return {name for name in (*inputs, *outputs) if name}


def fresh(wish: str, names: set[str]) -> str:
    """A name that is not taken yet, and now is."""
    name, count = wish, 1
    while name in names:
        name, count = f"{wish}_{count}", count + 1
    names.add(name)
    return name


def add_constant(place: ir.Model | ir.Node, name: str, array: np.ndarray) -> ir.Value:
    """A new initializer: of a model's main graph, or of the graph that a node lies in.

    What lies in the main graph, every subgraph can read too.
    """
    import numpy as np
    import onnx_ir as ir

    graph = place.graph
    assert isinstance(graph, ir.Graph)
    tensor = ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
    value = ir.Value(
        name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    graph.register_initializer(value)
    return value


def replace(
    anchor: ir.Node,
    old: Sequence[ir.Node],
    new: Sequence[ir.Node],
    old_values: Sequence[ir.Value],
    new_values: Sequence[ir.Value],
) -> None:
    """Insert `new` before `anchor`, let it give the old values under their names, remove `old`.

    What the old nodes alone were computed from goes with them.
    """
    graph = anchor.graph
    assert graph is not None
    graph.insert_before(anchor, new)
    for before, after in zip(old_values, new_values, strict=True):
        after.name, after.type, after.shape = before.name, before.type, before.shape
        before.replace_all_uses_with(after, replace_graph_outputs=True)
    sources = [value for node in old for value in node.inputs if value is not None]
    graph.remove(old, safe=True)
    for value in sources:
        _drop(value)


def _drop(value: ir.Value) -> None:
    """Remove a value that nobody reads any more, with the node that computes it."""
    if value.uses() or value.is_graph_output() or value.is_graph_input():
        return
    node, graph = value.producer(), value.graph
    if node is None:
        if graph is not None and value.name in graph.initializers:
            del graph.initializers[value.name]
    elif node.graph is not None and not any(
        output.uses() or output.is_graph_output() for output in node.outputs
    ):
        sources = [source for source in node.inputs if source is not None]
        node.graph.remove(node, safe=True)
        for source in sources:
            _drop(source)
