"""BatchNorm statistics of a source network, matched to a graph in which they are folded.

Folded, a layer's weights are γ/√(σ²+ε) times the source's. That tells which layer of the source a
layer is, and which BatchNorm followed it, whatever the format, the order and the names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_EPSILONS = (1e-5, 1e-3, 1e-6, 1e-4, 1e-2)
"""Where the file does not tell, in the order they are tried."""

_NEAR = 2e-3


@dataclass(frozen=True)
class Norm:
    """A BatchNorm: what it multiplies by, and the moments of what it gives.

    Attributes:
        scales: γ/√(σ²+ε), (C,), for each ε that may be.
        mean: β, (C,).
        std: |γ|, (C,).
    """

    scales: tuple[np.ndarray, ...]
    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class Norms:
    """Of a source: weights of its layers, and its BatchNorms."""

    weights: tuple[np.ndarray, ...]
    norms: tuple[Norm, ...]


def from_state(state: Mapping[str, Any]) -> Norms:
    """Of torch tensors by name, as a `state_dict` has them."""
    arrays = {
        name: tensor.detach().float().cpu().numpy()
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }
    norms = []
    for name, variance in arrays.items():
        if not name.endswith("running_var"):
            continue
        stem = name.removesuffix("running_var")
        gamma, beta = arrays.get(f"{stem}weight"), arrays.get(f"{stem}bias")
        norms.append(_norm(gamma, beta, variance, _EPSILONS))
    return Norms(tuple(item for item in arrays.values() if item.ndim > 1), tuple(norms))


def from_onnx(model: Any) -> Norms:
    """Of an `onnx.ModelProto`."""
    import numpy as np
    from onnx import numpy_helper

    arrays = {item.name: item for item in model.graph.initializer}
    norms = []
    for node in model.graph.node:
        if node.op_type == "BatchNormalization" and all(n in arrays for n in node.input[1:5]):
            gamma, beta, _, variance = (numpy_helper.to_array(arrays[n]) for n in node.input[1:5])
            own = [item.f for item in node.attribute if item.name == "epsilon"] or [1e-5]
            norms.append(_norm(gamma, beta, variance, tuple(own)))
    weights = [numpy_helper.to_array(t) for t in arrays.values() if len(t.dims) > 1]
    return Norms(tuple(w.astype(np.float32) for w in weights if w.dtype.kind == "f"), tuple(norms))


def _norm(gamma: Any, beta: Any, variance: Any, epsilons: tuple[float, ...]) -> Norm:
    import numpy as np

    gamma = np.ones_like(variance) if gamma is None else gamma
    beta = np.zeros_like(variance) if beta is None else beta
    scales = tuple(gamma / np.sqrt(variance + epsilon) for epsilon in epsilons)
    return Norm(scales, beta, np.abs(gamma))


def find(norms: Norms, rows: np.ndarray) -> Norm | None:
    """The BatchNorm that is folded into a layer's weights.

    Args:
        norms: those of the source.
        rows: the layer's weights, a row for each channel of the output.
    """
    import numpy as np

    for ratio in _ratios(norms, rows):
        for norm in norms.norms:
            if norm.mean.size != ratio.size:
                continue
            for scale in norm.scales:
                if np.allclose(scale, ratio, rtol=_NEAR, atol=_NEAR * np.abs(scale).max()):
                    return norm
    return None


def _ratios(norms: Norms, rows: np.ndarray) -> Iterator[np.ndarray]:
    """For each layer of the source that these can be: what its rows were multiplied by."""
    import numpy as np

    for weights in norms.weights:
        if weights.size != rows.size or weights.shape[0] != rows.shape[0]:
            continue
        own = weights.reshape(rows.shape)
        square = np.einsum("ij,ij->i", own, own)
        ratio = np.einsum("ij,ij->i", own, rows) / np.where(square > 0, square, 1)
        probe = slice(0, 64)  # enough to tell a stranger by
        if not np.allclose(own[probe] * ratio[probe, None], rows[probe], rtol=0,
                           atol=_NEAR * max(float(np.abs(rows[probe]).max()), 1e-12)):  # fmt: skip
            continue
        yield ratio
