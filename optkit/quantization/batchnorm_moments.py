"""Moments of activations without data, from the BatchNorm statistics of the source network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optkit.quantization import moments
from optkit.quantization.batchnorms import Norms, find
from optkit.quantization.ir.weights import is_constant, read_constant
from optkit.quantization.moments import Moments

if TYPE_CHECKING:
    import numpy as np

_LAYERS = {"Convolution": 1, "GroupConvolution": 2, "MatMul": 1}
# Neighbours are much alike: their mean varies as they do, unlike that over a whole map.
_KEEPING = frozenset({
    "MaxPool", "AvgPool", "ReduceMean", "Reshape", "Squeeze", "Unsqueeze", "Convert",
})  # fmt: skip


def derive(
    model: Any, norms: Norms, names: Callable[[Any], Iterable[str]], most: int | None = None
) -> tuple[dict[str, Moments], int]:
    """Moments of the tensors that hang on BatchNorm.

    Args:
        model: an `openvino.Model` in floating point, BatchNorm folded in.
        norms: of the source.
        names: the keys of a tensor, given its port.
        most: the number of layers with BatchNorm behind which to stop; None for all.

    Returns:
        Moments by key, and how many layers bear a BatchNorm of the source.
    """
    known: dict[tuple[str, int], Moments] = {}
    derived: dict[str, Moments] = {}
    matched = 0
    for node in model.get_ordered_ops():
        found, anchored = _moments(node, known, norms)
        matched += anchored
        if found is not None:
            known[node.get_friendly_name(), 0] = found
            derived |= dict.fromkeys(names(node.output(0)), found)
        if most is not None and matched > most:
            break
    return (derived, matched) if matched else ({}, 0)


def _moments(
    node: Any, known: dict[tuple[str, int], Moments], norms: Norms
) -> tuple[Moments | None, bool]:
    """Of what a node gives, and whether a BatchNorm told them."""
    kind = node.get_type_name()
    if kind in _LAYERS and is_constant(node.input_value(1)):
        return _layer(node, _of(node, 0, known), norms)
    if node.get_output_size() == 0 or not node.get_input_size():
        return None, False
    given = _of(node, 0, known)
    if given is None:
        return None, False
    if kind in {"Add", "Multiply", "Subtract"}:
        return _combined(node, given, known), False
    if kind in _KEEPING:
        return _kept(node, given), False
    function = _function(node)
    return (None if function is None else moments.through(given, function)), False


def _of(node: Any, place: int, known: dict[tuple[str, int], Moments]) -> Moments | None:
    port = node.input_value(place)
    return known.get((port.get_node().get_friendly_name(), port.get_index()))


def _layer(node: Any, given: Moments | None, norms: Norms) -> tuple[Moments | None, bool]:
    """By the BatchNorm folded in, else from the moments of the input."""
    weights = read_constant(node.input_value(1))
    kind = node.get_type_name()
    if kind == "MatMul":
        if weights.ndim != 2:
            return None, False
        weights = weights if node.get_attributes()["transpose_b"] else weights.T
    out = math.prod(weights.shape[: _LAYERS[kind]])
    norm = find(norms, weights.reshape(out, -1))
    if norm is not None:
        return moments.logistic(norm.mean - _bias(node, out), norm.std), True
    if given is None:
        return None, False
    if kind == "GroupConvolution":
        return _grouped(given, weights), False
    fits = weights.shape[1] == given.mean.size
    return moments.weighed(
        given, weights.reshape(out, weights.shape[1], -1)
    ) if fits else None, False


def _grouped(given: Moments, weights: np.ndarray) -> Moments | None:
    """Of a depthwise convolution's output: each channel hangs on one of the input."""
    if weights.shape[2] != 1 or weights.shape[0] != given.mean.size:
        return None
    each = weights.shape[1]
    taps = weights.reshape(weights.shape[0] * each, -1)
    spread = (taps**2).sum(-1) ** 0.5
    mean, std = given.mean.repeat(each), given.std.repeat(each)
    return moments.logistic(taps.sum(-1) * mean, spread * std)


def _bias(node: Any, out: int) -> np.ndarray:
    """What is added to a layer's output: the moments that BatchNorm tells have it in."""
    import numpy as np

    readers = [port.get_node() for port in node.output(0).get_target_inputs()]
    if len(readers) == 1 and readers[0].get_type_name() == "Add":
        for place in (0, 1):
            if is_constant(readers[0].input_value(place)):
                value = read_constant(readers[0].input_value(place)).reshape(-1)
                return np.broadcast_to(value, (out,)) if value.size in {1, out} else np.zeros(out)
    return np.zeros(out)


def _combined(node: Any, given: Moments, known: dict[tuple[str, int], Moments]) -> Moments | None:
    import numpy as np

    kind = node.get_type_name()
    if is_constant(node.input_value(1)):
        value = read_constant(node.input_value(1)).reshape(-1)
        if value.size not in {1, given.mean.size}:
            return None
        value = np.broadcast_to(value, given.mean.shape)
        if kind == "Multiply":
            return moments.scaled(given, value)
        return moments.shifted(given, value if kind == "Add" else -value)
    other = _of(node, 1, known)
    if kind != "Add" or other is None or other.mean.size != given.mean.size:
        return None
    return moments.summed(given, other)


def _kept(node: Any, given: Moments) -> Moments | None:
    """Of what leaves a tensor's channels as they are, or averages over their map."""
    if _channels(node) != given.mean.size:
        return None
    return moments.averaged(given) if node.get_type_name() == "ReduceMean" else given


def _channels(node: Any) -> int | None:
    shape = node.output(0).get_partial_shape()
    if shape.rank.is_dynamic or len(shape) < 2 or shape[1].is_dynamic:
        return None
    return int(shape[1].get_length())


def _function(node: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    import numpy as np

    if node.get_type_name() == "Clamp":
        ends = node.get_attributes()
        return lambda x: x.clip(ends["min"], ends["max"])
    functions: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "Relu": lambda x: np.maximum(x, 0),
        "Swish": lambda x: x / (1 + np.exp(-x)),
        "HSwish": lambda x: x * (x + 3).clip(0, 6) / 6,
        "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "Gelu": lambda x: x * 0.5 * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3))),
    }
    return functions.get(node.get_type_name())
