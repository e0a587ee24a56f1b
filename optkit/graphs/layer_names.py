"""Names the layers of an OpenVINO model after the modules of the network that it was made from.

A TorchScript file keeps no names of modules for its operations, and a BatchNorm that is folded into
a layer leaves it an automatic name. The weights tell: they are the module's, row by row times a
constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_OPERATIONS = {
    "Convolution": "aten::convolution", "GroupConvolution": "aten::convolution",
    "MatMul": "aten::linear",
}  # fmt: skip
_NAMED = "__module."
_PROBE = 8
"""Rows that are compared: enough to tell a stranger by."""

_NEAR = 2e-3


def name_layers(model: Any, state: Mapping[str, Any]) -> None:
    """Give layers whose weights are found in the source their module's name.

    Args:
        model: an `openvino.Model`; it is changed.
        state: the source's tensors by name, as a `state_dict` has them.
    """
    modules: dict[tuple[int, int], list[tuple[str, np.ndarray]]] = {}
    for name, tensor in state.items():
        if tensor.dim() > 1 and tensor.is_floating_point() and name.endswith(".weight"):
            rows = tensor[:_PROBE].detach().float().cpu().flatten(1).numpy()
            shape = tensor.shape[0], tensor.numel() // tensor.shape[0]
            modules.setdefault(shape, []).append((name.removesuffix(".weight"), rows))
    taken = {node.get_friendly_name() for node in model.get_ops()}
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind not in _OPERATIONS or node.get_friendly_name().startswith(_NAMED):
            continue
        found = _weights(node)
        if found is None:
            continue
        shape, rows = found
        for name, own in modules.get(shape, []):
            if _proportional(own, rows):
                node.set_friendly_name(_free(f"{_NAMED}{name}/{_OPERATIONS[kind]}/{kind}", taken))
                break


def _free(name: str, taken: set[str]) -> str:
    """The name, numbered where a layer that shares its weights has it."""
    at, free = 0, name
    while free in taken:
        at, free = at + 1, f"{name}_{at + 1}"
    taken.add(free)
    return free


def _weights(node: Any) -> tuple[tuple[int, int], np.ndarray] | None:
    """Rows and columns of a layer's weights, and the first rows in float32."""
    import numpy as np

    source = node.input_value(1).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    if source.get_type_name() != "Constant":
        return None
    if source.output(0).get_element_type().get_type_name() not in {"f32", "f16"}:
        return None
    data = source.data
    if node.get_type_name() == "MatMul":
        if data.ndim != 2:
            return None
        data = data if node.get_attributes()["transpose_b"] else data.T
    out = math.prod(data.shape[: 2 if node.get_type_name() == "GroupConvolution" else 1])
    shape = out, data.size // max(out, 1)
    if shape[1] < 2:  # any two are proportional
        return None
    rows = data if node.get_type_name() == "MatMul" else data.reshape(shape)
    return shape, rows[:_PROBE].astype(np.float32)


def _proportional(own: np.ndarray, rows: np.ndarray) -> bool:
    """Whether each row is the other's times a constant."""
    import numpy as np

    square = np.square(own).sum(1)
    ratio = (own * rows).sum(1) / np.where(square > 0, square, 1)
    peak = max(float(np.abs(rows).max()), 1e-12)
    return bool(np.allclose(own * ratio[:, None], rows, rtol=0, atol=_NEAR * peak))
