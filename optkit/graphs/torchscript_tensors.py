"""The tensors that a TorchScript graph computes on its way, and a graph that gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from optkit.core.tensors import Lineage, Tensor, layer_of

# Give tensors that are no floating values of the network.
_OTHERS = frozenset({"aten::size", "aten::arange", "aten::ones_like", "aten::zeros_like"})


def tensors(graph: Any, inputs: Sequence[str]) -> tuple[Tensor, ...]:
    """Tensor values outside loops and branches, keyed by their names in the graph.

    Which of them are floating shows when they are computed.

    Args:
        graph: inlined, its first input the network itself.
        inputs: names of the others.
    """
    lineage, found, paths = Lineage(), list[Tensor](), dict[str, str]()
    network, *values = graph.inputs()
    paths[network.debugName()] = ""
    for value, name in zip(values, inputs, strict=True):
        lineage.enter(value.debugName(), name)
    for node in graph.nodes():
        outputs = list(node.outputs())
        if node.kind() == "prim::GetAttr":
            owner = paths.get(node.input().debugName(), "")
            paths[outputs[0].debugName()] = f"{owner}.{node.s('name')}".removeprefix(".")
            continue
        read = [value.debugName() for value in node.inputs()] + list(_captured(node))
        behind = lineage.of(read)
        for value in outputs:
            name = value.debugName()
            tensor = value.type().kind() == "TensorType" and node.kind() not in _OTHERS
            if behind and tensor:
                module = _module(node, paths)
                shown = f"{module or node.kind().removeprefix('aten::')} (%{name})"
                found.append(Tensor(name, (shown,), node.kind(), behind, module))
                lineage.made(name, name)
            else:
                lineage.passed(name, read)
    return tuple(found)


def tapped(graph: Any, keys: Sequence[str]) -> Any:
    """A copy of the graph that returns a list of these tensors, as they are when made.

    What writes into a tensor afterwards must not show: each is copied at once.
    """
    import torch

    copy = graph.copy()
    made = {}
    for node, twin in zip(copy.nodes(), graph.nodes(), strict=True):  # a copy has its own names
        for value, old in zip(node.outputs(), twin.outputs(), strict=True):
            made[old.debugName()] = node, value
    for _ in list(copy.outputs()):
        copy.eraseOutput(0)
    clones = []
    for key in keys:
        node, value = made[key]
        nothing = copy.create("prim::Constant", 1)
        nothing.output().setType(torch._C.NoneType.get())
        clone = copy.create("aten::clone", [value, nothing.output()], 1)
        nothing.insertAfter(node)
        clone.insertAfter(nothing)
        clones.append(clone.output())
    returned = copy.create("prim::ListConstruct", clones, 1)
    returned.output().setType(torch._C.ListType(torch._C.TensorType.get()))
    copy.appendNode(returned)
    copy.registerOutput(returned.output())
    return copy


def returned(graph: Any) -> list[str]:
    """Names of the tensors that the graph returns, containers opened."""
    return [value.debugName() for end in graph.outputs() for value in _opened(end)]


def _opened(value: Any) -> Iterator[Any]:
    kind, items = value.node().kind(), list(value.node().inputs())
    if kind in {"prim::TupleConstruct", "prim::ListConstruct", "prim::DictConstruct"}:
        for item in items[1::2] if kind == "prim::DictConstruct" else items:
            yield from _opened(item)
    elif value.type().kind() != "NoneType":
        yield value


def _captured(node: Any) -> Iterator[str]:
    """Values that blocks of a node read."""
    for block in node.blocks():
        for value in block.outputs():
            yield value.debugName()
        for inner in block.nodes():
            for value in inner.inputs():
                yield value.debugName()
            yield from _captured(inner)


def _module(node: Any, paths: dict[str, str]) -> str | None:
    for value in node.inputs():
        path = paths.get(value.debugName()) or ""
        if (layer := layer_of(path)) is not None:
            return layer
    return None
