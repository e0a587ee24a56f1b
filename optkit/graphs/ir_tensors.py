"""The tensors that an OpenVINO model computes on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from optkit.core.tensors import Lineage, Tensor, layer_of

_FROM_TORCH = re.compile(r"^__module\.([^/]+)/")
_FLOATS = frozenset({"f64", "f32", "f16", "bf16"})
_WEIGHTLIKE = frozenset({
    "Constant", "Convert", "Multiply", "Subtract", "Reshape", "FakeQuantize", "Transpose",
})  # fmt: skip


def ports(model: Any) -> Iterator[tuple[str, Any]]:
    """Every output of every node outside bodies, in order, with a key; constants are left out."""
    for node in model.get_ordered_ops():
        if node.get_type_name() in {"Constant", "Result", "Parameter", "Assign"}:
            continue
        for port in node.outputs():
            yield f"{node.get_friendly_name()}:{port.get_index()}", port


def tensors(model: Any, inputs: dict[str, str]) -> tuple[Tensor, ...]:
    """Floating values that hang on inputs.

    Args:
        model: an `openvino.Model`.
        inputs: name of each input by the friendly name of its Parameter.
    """
    lineage, found = Lineage(), list[Tensor]()
    for node in model.get_parameters():
        name = node.get_friendly_name()
        lineage.enter((name, 0), inputs.get(name, name))
    for key, port in ports(model):
        node = port.get_node()
        read = [_at(value) for value in node.input_values()]
        behind = lineage.of(read)
        if not behind:
            continue
        if port.get_element_type().get_type_name() in _FLOATS:
            named = sorted(port.get_names(), key=lambda name: (name.isdigit(), len(name), name))
            names = (node.get_friendly_name(), *named)
            found.append(Tensor(key, names, node.get_type_name(), behind, _module(node, lineage)))
            lineage.made(_at(port), key)
        else:
            lineage.passed(_at(port), read)
    return tuple(found)


def _at(port: Any) -> tuple[str, int]:
    return port.get_node().get_friendly_name(), port.get_index()


def _module(node: Any, lineage: Lineage) -> str | None:
    """The layer whose weights a node reads, be they widened or quantized on the way."""
    if found := _FROM_TORCH.match(node.get_friendly_name()):
        return found[1]
    for value in node.input_values():
        at = value
        while not lineage.of([_at(at)]) and at.get_node().get_type_name() in _WEIGHTLIKE:
            source = at.get_node()
            if (layer := layer_of(source.get_friendly_name())) is not None:
                return layer
            if source.get_type_name() == "Constant":
                break
            at = source.input_value(0)
    return None
