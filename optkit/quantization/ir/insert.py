"""Inserts FakeQuantize and 8-bit weights into an OpenVINO graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.ir.observe import port_of
from optkit.quantization.ir.weights import int8_constant, is_constant, read_constant
from optkit.quantization.ranges import LEVELS, Range
from optkit.quantization.rounding import TOP, round_weights
from optkit.quantization.sites import Layer, Point, Sites

if TYPE_CHECKING:
    import numpy as np


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
    """A copy of the graph in 8 bits.

    Args:
        model: an `openvino.Model`; it stays as it is.
        sites: what to quantize.
        ranges: of each point, by its key.
        tops: the largest integer of a layer's weights where it is not 127.
        paired: whether no two products may add up to more than 16 bits hold.
        means: of the channels of what layers read, by key; layers are shifted by what the rounding
            of their weights takes from the mean, E[(W − Wq)·x] = (W − Wq)·E[x] (Nagel et al. 2019).
        shifts: further shifts of layers' outputs, by name, one for each channel.
    """
    copy = model.clone()
    by_name = {node.get_friendly_name(): node for node in copy.get_ordered_ops()}
    for point in sites.points:
        _quantize(by_name, point, ranges[point.key])
    seen: dict[tuple[str, tuple[int, ...], int], Any] = {}
    for layer in sites.layers:
        node = by_name[layer.name]
        source = node.input_value(layer.weight)
        top = tops.get(layer.name, TOP)
        key = (source.get_node().get_friendly_name(), layer.axes, top)
        weights = read_constant(source)
        integers, scale = round_weights(weights, layer.axes, top, layer.inner if paired else ())
        if key not in seen:
            seen[key] = int8_constant(integers, scale, key[0])
        node.input(layer.weight).replace_source_output(seen[key].output(0))
        shift = None if shifts is None else shifts.get(layer.name)
        mean = None if means is None else means.get(layer.reads)
        if mean is not None and layer.channel is not None:
            added = _added(layer, node.get_type_name(), weights - integers * scale, mean)
            shift = added if shift is None or added is None else shift + added
        if shift is not None:
            shift_output(node, shift)
    for name in sites.tables:
        source = by_name[name].input_value(0)
        integers, scale = round_weights(read_constant(source), (0,))
        table = int8_constant(integers, scale, source.get_node().get_friendly_name())
        by_name[name].input(0).replace_source_output(table.output(0))
    copy.validate_nodes_and_infer_types()
    return copy


def shift_output(node: Any, shift: np.ndarray) -> None:
    """Add a value to each channel of a layer's output, in its bias where it has one."""
    import numpy as np
    from openvino import opset13

    rank = len(node.output(0).get_partial_shape())
    axis = 1 if node.get_type_name() != "MatMul" else rank - 1
    shape = [-1 if at == axis else 1 for at in range(rank)]
    value = shift.astype(np.float32).reshape(shape)
    (first, *rest) = node.output(0).get_target_inputs()
    adder = first.get_node()
    if not rest and adder.get_type_name() == "Add":
        place = 1 - first.get_index()
        if is_constant(adder.input_value(place)):
            bias = read_constant(adder.input_value(place))
            ends = opset13.constant((bias + value).astype(np.float32))
            adder.input(place).replace_source_output(ends.output(0))
            return
    targets = list(node.output(0).get_target_inputs())
    name = f"{node.get_friendly_name()}/shifted"
    shifted = opset13.add(node.output(0), opset13.constant(value), name=name)
    for target in targets:
        target.replace_source_output(shifted.output(0))


def _quantize(by_name: Mapping[str, Any], point: Point, range_: Range) -> None:
    from openvino import opset13

    source = port_of(by_name, point.key)
    low, high = range_.low, range_.high
    if low.ndim:
        shape = [-1 if axis == 1 else 1 for axis in range(len(source.get_partial_shape()))]
        low, high = low.reshape(shape), high.reshape(shape)
    ends = opset13.constant(low), opset13.constant(high)
    fake = opset13.fake_quantize(source, *ends, *ends, LEVELS, name=f"{point.key}/fake_quantize")
    for name, place in point.readers:
        by_name[name].input(place).replace_source_output(fake.output(0))


def _added(layer: Layer, kind: str, error: np.ndarray, mean: np.ndarray) -> np.ndarray | None:
    """What the error of the weights takes from the mean of each channel of the output."""
    import numpy as np

    if kind == "Convolution":
        return np.asarray(error.reshape(*error.shape[:2], -1).sum(-1) @ mean)
    if kind == "GroupConvolution":
        grouped = mean.reshape(error.shape[0], error.shape[2])
        summed = error.reshape(*error.shape[:3], -1).sum(-1)
        return np.asarray(np.einsum("goi,gi->go", summed, grouped)).reshape(-1)
    if kind != "MatMul" or error.ndim != 2:
        return None
    return np.asarray(error @ mean if layer.axes == (0,) else mean @ error)
