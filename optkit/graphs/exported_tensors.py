"""The tensors that an ExportedProgram's graph computes on its way; its nodes are torch.fx's."""

from __future__ import annotations

from typing import Any

from optkit.core.tensors import Lineage, Tensor


def tensors(graph: Any, inputs: dict[str, str]) -> tuple[Tensor, ...]:
    """Floating tensors, keyed by the names of their nodes.

    Args:
        graph: of the program's module, weights as attributes.
        inputs: name of each input by that of its placeholder.
    """
    lineage, found = Lineage(), list[Tensor]()
    for node in graph.nodes:
        if node.op == "placeholder" and node.name in inputs:
            lineage.enter(node.name, inputs[node.name])
        if node.op != "call_function":
            continue
        read = [item.name for item in node.all_input_nodes]
        behind = lineage.of(read)
        if behind and _floating(node):
            module = _module(node)
            shown = f"{module} ({node.name})" if module else node.name
            kind = _operation(node)
            found.append(Tensor(node.name, (shown, node.name), kind, behind, module))
            lineage.made(node.name, node.name)
        else:
            lineage.passed(node.name, read)
    return tuple(found)


def _floating(node: Any) -> bool:
    value = node.meta.get("val")
    return hasattr(value, "dtype") and value.dtype.is_floating_point


def _operation(node: Any) -> str:
    schema = getattr(node.target, "_schema", None)
    return str(schema.name).removeprefix("aten::") if schema else str(node.target)


def _module(node: Any) -> str | None:
    """The innermost layer that the operation was in; its own class, not a container's."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    return path or None
