"""The tensors that an ONNX graph computes on its way."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from optkit.core.tensors import Lineage, Tensor, layer_of

_SCOPES = "pkg.torch.onnx.name_scopes"


def tensors(model: Any, kinds: Mapping[str, int]) -> tuple[Tensor, ...]:
    """Floating values of the outermost graph that hang on its inputs, keyed by their names.

    Args:
        model: an `onnx.ModelProto`; its weights are not looked at.
        kinds: element type of each value, by name, as far as it is known.
    """
    import onnx

    types = onnx.TensorProto
    floats = {types.FLOAT, types.FLOAT16, types.DOUBLE}
    graph, lineage, found = model.graph, Lineage(), list[Tensor]()
    constants = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name not in constants:
            lineage.enter(value.name, value.name)
    for node in graph.node:
        read = [*node.input, *_captured(node)]
        inputs = lineage.of(read)
        for name in node.output:
            if not name or not inputs:
                continue
            if kinds.get(name, types.FLOAT) in floats and node.op_type != "Shape":
                names = (name, node.name) if node.name else (name,)
                found.append(Tensor(name, names, node.op_type, inputs, _module(node, constants)))
                lineage.made(name, name)
            else:
                lineage.passed(name, read)
    return tuple(found)


def _captured(node: Any) -> list[str]:
    """Values of the outer graph that bodies of a loop or branch read."""
    found = []
    for attribute in node.attribute:
        bodies = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
        for body in bodies:
            for inner in body.node:
                found += [*inner.input, *_captured(inner)]
    return found


def _module(node: Any, constants: set[str]) -> str | None:
    """The layer of the torch network that a node was exported from."""
    for name in node.input:
        if name in constants and (layer := layer_of(name)) is not None:
            return layer
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            try:
                scopes = [str(scope) for scope in ast.literal_eval(entry.value)]
            except (ValueError, SyntaxError):
                break
            return scopes[-2] or None if len(scopes) > 1 else None
    *scopes, _ = node.name.strip("/").split("/")
    if not node.name.startswith("/") or not scopes:
        return None
    path: str = scopes[0]  # the exporter writes layers, then layers.0, then what is in it
    for scope in scopes[1:]:
        last = path.rpartition(".")[2]
        nested = scope.startswith(f"{last}.")
        path = f"{path.removesuffix(last)}{scope}" if nested else f"{path}.{scope}"
    return path
