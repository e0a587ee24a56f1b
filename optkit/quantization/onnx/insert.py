"""Inserts QuantizeLinear and DequantizeLinear, and 8-bit weights, into an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.onnx.points import MOVES, constants, name_of
from optkit.quantization.ranges import LEVELS, Range
from optkit.quantization.rounding import TOP, round_weights
from optkit.quantization.sites import Layer, Sites

if TYPE_CHECKING:
    import numpy as np

_OPSET = 13
"""The first with a scale for each channel."""


def observed(model: Any, keys: list[str]) -> Any:
    """A copy of the graph whose outputs are the float32 values of these names, in order."""
    import onnx

    copy = _copied(model)
    given = {value.name for value in copy.graph.input}
    del copy.graph.output[:]
    for key in keys:
        name = key
        if key in given:  # an input cannot be an output
            name = f"{key}/observed"
            copy.graph.node.append(onnx.helper.make_node("Identity", [key], [name]))
        end = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        copy.graph.output.append(end)
    return copy


def inserted(
    model: Any,
    sites: Sites,
    ranges: Mapping[str, Range],
    *,
    tops: Mapping[str, int],
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
        made = _weights(graph, layer, node, fixed, scales, tops, means, shifts)
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
    names = _named(graph, key, scale=scale, zero=zero)
    made = [f"{key}/quantized", f"{key}/dequantized"]
    return scale, [
        onnx.helper.make_node("QuantizeLinear", [key, *names], [made[0]], name=made[0]),
        onnx.helper.make_node("DequantizeLinear", [made[0], *names], [made[1]], name=made[1]),
    ]


def _named(graph: Any, key: str, **arrays: np.ndarray) -> list[str]:
    """Initializers of these values; their names."""
    import numpy as np
    import onnx

    for word, array in arrays.items():
        graph.initializer.append(
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), f"{key}/{word}")
        )
    return [f"{key}/{word}" for word in arrays]


def _weights(
    graph: Any, layer: Layer, node: Any, fixed: Mapping[str, Any], scales: Mapping[str, np.ndarray],
    tops: Mapping[str, int], means: Mapping[str, np.ndarray] | None,
    shifts: Mapping[str, np.ndarray] | None,
) -> list[Any]:  # fmt: skip
    """Give a layer weights in 8 bits and, where it takes one, a bias in 32; the nodes before it."""
    import numpy as np
    import onnx

    weights = onnx.numpy_helper.to_array(fixed[node.input[layer.weight]]).astype(np.float32)
    integers, scale = round_weights(weights, layer.axes, tops.get(layer.name, TOP))
    shift = None if shifts is None else shifts.get(layer.name)
    mean = None if means is None else means.get(layer.reads)
    if mean is not None and layer.channel is not None:
        added = _added(layer, node, weights - integers * scale, mean)
        shift = added if shift is None or added is None else shift + added
    bias = None
    if len(node.input) > 2 and node.input[2] in fixed:
        bias = onnx.numpy_helper.to_array(fixed[node.input[2]]).astype(np.float64)
    takes = node.op_type in {"Conv", "ConvTranspose", "Gemm"}
    if shift is not None and takes and (bias is not None or len(node.input) == 2):
        bias = np.asarray(shift if bias is None else np.broadcast_to(bias, shift.shape) + shift)
        shift = None
    key, axis = f"{layer.name}/weights", layer.axes[0]
    flat = scale.reshape(-1)
    read = scales.get(_above(node.input[1 - layer.weight], graph))
    if bias is not None and bias.ndim == 1 and read is not None and bias.size == flat.size:
        flat = np.maximum(flat, np.abs(bias) / (float(read) * 2**30)).astype(np.float32)
        shape = [-1 if at == axis else 1 for at in range(weights.ndim)]
        top = tops.get(layer.name, TOP)
        integers = np.rint(weights / flat.reshape(shape)).clip(-top, top).astype(np.int8)
    names = _named(graph, key, values=integers, scale=flat, zero=np.zeros(flat.shape, np.int8))
    made = [onnx.helper.make_node("DequantizeLinear", names, [key], name=key, axis=axis)]
    node.input[layer.weight] = key
    if bias is not None:
        made += _bias(graph, layer, node, bias, None if read is None else read * flat)
    if shift is not None:
        _shift_output(graph, layer, node, shift)
    return made


def _bias(
    graph: Any, layer: Layer, node: Any, bias: np.ndarray, scale: np.ndarray | None
) -> list[Any]:
    """A bias in 32 bits, in the scale in which the sums of products are; in float without one."""
    import numpy as np
    import onnx

    key = f"{layer.name}/bias"
    del node.input[2:]
    node.input.append(key)
    if scale is None or bias.ndim != 1 or bias.size != scale.size:
        _named(graph, layer.name, bias=bias.astype(np.float32))
        return []
    whole = np.rint(bias / scale.astype(np.float64)).clip(-(2**31), 2**31 - 1).astype(np.int32)
    zero = np.zeros(scale.shape, np.int32)
    names = _named(graph, key, values=whole, scale=scale.astype(np.float32), zero=zero)
    return [onnx.helper.make_node("DequantizeLinear", names, [key], name=key, axis=0)]


def _shift_output(graph: Any, layer: Layer, node: Any, shift: np.ndarray) -> None:
    import numpy as np
    import onnx

    value = node.output[0]
    (name,) = _named(graph, layer.name, shift=shift.astype(np.float32))
    node.output[0] = f"{value}/unshifted"
    at = list(graph.node).index(node)
    word = f"{layer.name}/shifted"
    graph.node.insert(at + 1, onnx.helper.make_node("Add", [node.output[0], name], [value], word))


def _above(value: str, graph: Any) -> str:
    """The point that a value comes from, through its dequantization and moves."""
    makers = {name: node for node in graph.node for name in node.output}
    value = value.removesuffix("/dequantized")
    while value in makers and makers[value].op_type in MOVES:
        value = makers[value].input[0].removesuffix("/dequantized")
    return value


def _added(layer: Layer, node: Any, error: np.ndarray, mean: np.ndarray) -> np.ndarray | None:
    """What the error of the weights takes from the mean of each channel of the output."""
    import numpy as np

    if node.op_type == "Conv":
        summed = error.reshape(*error.shape[:2], -1).sum(-1)
        groups = mean.size // error.shape[1]
        parts = np.split(mean, groups)
        rows = np.split(summed, groups)
        return np.concatenate([row @ part for row, part in zip(rows, parts, strict=True)])
    if error.ndim != 2 or node.op_type == "ConvTranspose":
        return None
    return np.asarray(error @ mean if layer.axes == (0,) else mean @ error)


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
