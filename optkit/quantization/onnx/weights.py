"""Weights and biases of an ONNX graph's layers in 8 and 32 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.onnx.points import MOVES
from optkit.quantization.rounding import TOP, round_weights
from optkit.quantization.sites import Layer

if TYPE_CHECKING:
    import numpy as np


def named(graph: Any, key: str, **arrays: np.ndarray) -> list[str]:
    """Initializers of these values; their names."""
    import numpy as np
    import onnx

    for word, array in arrays.items():
        graph.initializer.append(
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), f"{key}/{word}")
        )
    return [f"{key}/{word}" for word in arrays]


def quantize_weights(
    graph: Any, layer: Layer, node: Any, fixed: Mapping[str, Any], scales: Mapping[str, np.ndarray],
    tops: Mapping[str, int], means: Mapping[str, np.ndarray] | None,
    shifts: Mapping[str, np.ndarray] | None, paired: bool,
) -> list[Any]:  # fmt: skip
    """Give a layer weights in 8 bits and, where it takes one, a bias in 32; the nodes before it."""
    import numpy as np
    import onnx

    weights = onnx.numpy_helper.to_array(fixed[node.input[layer.weight]]).astype(np.float32)
    top = tops.get(layer.name, TOP)
    integers, scale = round_weights(weights, layer.axes, top, layer.inner if paired else ())
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
        integers = np.rint(weights / flat.reshape(shape)).clip(-top, top).astype(np.int8)
    names = named(graph, key, values=integers, scale=flat, zero=np.zeros(flat.shape, np.int8))
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
        named(graph, layer.name, bias=bias.astype(np.float32))
        return []
    whole = np.rint(bias / scale.astype(np.float64)).clip(-(2**31), 2**31 - 1).astype(np.int32)
    zero = np.zeros(scale.shape, np.int32)
    names = named(graph, key, values=whole, scale=scale.astype(np.float32), zero=zero)
    return [onnx.helper.make_node("DequantizeLinear", names, [key], name=key, axis=0)]


def _shift_output(graph: Any, layer: Layer, node: Any, shift: np.ndarray) -> None:
    import numpy as np
    import onnx

    value = node.output[0]
    (name,) = named(graph, layer.name, shift=shift.astype(np.float32))
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
