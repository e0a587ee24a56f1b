"""Hands out tensors of an OpenVINO graph, or what they come down to within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optkit.quantization.ir.ends import ends_of
from optkit.quantization.tools import Figure


def observed(model: Any, figures: Sequence[Figure]) -> Any:
    """A copy of the graph whose outputs are these figures, in order.

    Where a tensor's rank is not known, the tensor itself stands for its figure.
    """
    import openvino
    from openvino import opset13

    copy = model.clone()
    by_name = {node.get_friendly_name(): node for node in copy.get_ordered_ops()}
    ends = [opset13.result(_figure(port_of(by_name, figure.key), figure)) for figure in figures]
    return openvino.Model(ends, copy.get_parameters(), "observed")


def port_of(by_name: Mapping[str, Any], key: str) -> Any:
    """The output that a key names."""
    name, _, index = key.rpartition(":")
    return by_name[name].output(int(index))


def _figure(port: Any, figure: Figure) -> Any:
    import numpy as np
    from openvino import opset13

    rank = port.get_partial_shape().rank
    if not figure.reduction or rank.is_dynamic or not (axes := figure.axes(rank.get_length())):
        return port
    least = figure.reduction == "ReduceMin" and figure.along is None
    if least and ends_of(port.get_node())[0] >= 0:  # a range holds zero, whatever is above it
        return opset13.constant(np.zeros([1] * rank.get_length(), np.float32)).output(0)
    reduce = {
        "ReduceMin": opset13.reduce_min, "ReduceMax": opset13.reduce_max,
        "ReduceMean": opset13.reduce_mean,
    }[figure.reduction]  # fmt: skip
    # Dimensions are kept: else the runtime leaves its blocked layout for each.
    return reduce(port, np.asarray(axes, np.int64), True).output(0)
