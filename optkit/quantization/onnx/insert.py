"""Inserts QuantizeLinear and DequantizeLinear, and 8-bit weights, into an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.onnx.points import constants, name_of
from optkit.quantization.onnx.weights import named, quantize_weights
from optkit.quantization.ranges import LEVELS, Range
from optkit.quantization.sites import Sites

if TYPE_CHECKING:
    import numpy as np

_OPSET = 13
"""The first with a scale for each channel."""


def inserted(
    model: Any,
    sites: Sites,
    ranges: Mapping[str, Range],
    *,
    tops: Mapping[str, int],
    paired: bool = False,
    means: Mapping[str, np.ndarray] | None = None,
    shifts: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """A copy of the graph in 8 bits (QDQ); arguments as in `quantization.ir.insert.inserted`."""
    import onnx

    copy = _copied(model)
    copy.ir_version = max(copy.ir_version, 8)
    if all(item.version < _OPSET for item in copy.opset_import if item.domain in {"", "ai.onnx"}):
        copy = onnx.version_converter.convert_version(copy, _OPSET)
    graph = copy.graph
    nodes = {name_of(node): node for node in graph.node}
    scales: dict[str, np.ndarray] = {}
    before: dict[str, list[Any]] = {}
    for point in sites.points:
        scale, pair = _pair(graph, point.key, ranges[point.key])
        for name, place in point.readers:
            before.setdefault(name, [])
            before[name] += [node for node in pair if node not in before[name]]
            nodes[name].input[place] = pair[-1].output[0]
        scales[point.key] = scale
    fixed = constants(copy)
    for layer in sites.layers:
        node = nodes[layer.name]
        made = quantize_weights(graph, layer, node, fixed, scales, tops, means, shifts, paired)
        before.setdefault(layer.name, []).extend(made)
    _sorted_in(graph, before)
    _drop_unused(graph)
    return copy


def _copied(model: Any) -> Any:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _pair(graph: Any, key: str, range_: Range) -> tuple[np.ndarray, list[Any]]:
    """QuantizeLinear and DequantizeLinear of a value, in unsigned 8 bits."""
    import numpy as np
    import onnx

    scale = ((range_.high.astype(np.float64) - range_.low) / (LEVELS - 1)).astype(np.float32)
    zero = np.rint(-range_.low / scale).clip(0, LEVELS - 1).astype(np.uint8)
    names = named(graph, key, scale=scale, zero=zero)
    made = [f"{key}/quantized", f"{key}/dequantized"]
    return scale, [
        onnx.helper.make_node("QuantizeLinear", [key, *names], [made[0]], name=made[0]),
        onnx.helper.make_node("DequantizeLinear", [made[0], *names], [made[1]], name=made[1]),
    ]


def _sorted_in(graph: Any, before: Mapping[str, list[Any]]) -> None:
    """The graph's nodes with the new ones where they are first needed."""
    ordered, placed = [], set[str]()
    for node in graph.node:
        for new in before.get(name_of(node), []):
            if new.output[0] not in placed:
                placed.add(new.output[0])
                ordered.append(new)
        ordered.append(node)
    del graph.node[:]
    graph.node.extend(ordered)


def _drop_unused(graph: Any) -> None:
    """Float weights that nothing reads any more."""
    read = {name for node in graph.node for name in node.input}
    read |= {value.name for value in graph.output}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                read |= {name for item in inner.node for name in item.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
