"""Fold BatchNorm, y = γ/√(σ²+ε)·x + (β − μ·γ/√(σ²+ε)), into the linear operations beside it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from optkit.core.contract import Edit
from optkit.rewrite.folding import fold
from optkit.rewrite.graph import computed_by, constant
from optkit.rewrite.linear import Linear
from optkit.rewrite.neighbours import NONE_BESIDE, fold_back, fold_on
from optkit.rewrite.plainer import know_casts
from optkit.rewrite.replacing import value_names

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

_LARGEST_BIAS = 65536
"""Bytes of a constant that is folded for the sake of one that a BatchNorm enters."""


def fuse(model: ir.Model) -> Edit:
    """Fold each BatchNorm into the linear operation before it, else into those after it.

    Edits the model in place, the bodies of its control flow included.
    """
    _expose(model)
    names = value_names(model)
    folded, left, again = 0, Counter[str](), True
    while again:
        again, left = False, Counter()
        for node in _batchnorms(model):
            why = _fold(node, names)
            if why:
                left[why] += 1
            else:
                folded, again = folded + 1, True
    return Edit(folded, left, {"folded": folded, "left": left.total()})


def _fold(node: ir.Node, names: set[str]) -> str:
    """Fold one BatchNorm; returns why not, or nothing."""
    data = node.inputs[0]
    training = node.attributes.get("training_mode")
    if (training is not None and training.as_int()) or len(node.outputs) > 1 or data is None:
        return "a BatchNorm in training mode"
    found = _scale_and_shift(node)
    if found is None:
        return "the parameters of BatchNorm are computed or can be fed"

    def vectors(linear: Linear, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
        in_place = linear.rank is not None and linear.axis + linear.rank == 1
        return found if in_place and found[0].shape == (channels,) else None

    before = fold_back([node], data, vectors, names)
    after = fold_on([node], data, vectors, names) if before else ""
    return before if after == NONE_BESIDE else after


def _scale_and_shift(node: ir.Node) -> tuple[np.ndarray, np.ndarray] | None:
    """γ/√(σ²+ε) and β − μ·γ/√(σ²+ε), float64 of shape (channels,)."""
    import numpy as np

    found = [constant(value) for value in node.inputs[1:5]]
    if any(array is None for array in found):
        return None
    gamma, beta, mean, variance = (np.asarray(array, "float64") for array in found)
    epsilon = node.attributes.get("epsilon")
    with np.errstate(all="ignore"):  # what is not finite is refused where it is to be stored
        scale = gamma / np.sqrt(variance + (1e-5 if epsilon is None else epsilon.as_float()))
    return scale, beta - mean * scale


def _expose(model: ir.Model) -> None:
    """Fold biases that are computed from constants.

    torch's exporter, unoptimized, computes the bias of a convolution by Shape, CastLike and Expand.
    """
    for node in _batchnorms(model):
        linear = computed_by(node.inputs[0], "Conv", "ConvTranspose", "Gemm")
        bias = linear.inputs[2] if linear is not None and len(linear.inputs) > 2 else None
        if bias is not None and bias.producer() is not None and constant(bias) is None:
            know_casts(model)
            fold(model, _LARGEST_BIAS, room=sys.maxsize)
            return


def _batchnorms(model: ir.Model) -> list[ir.Node]:
    nodes = model.graph.all_nodes()
    return [n for n in nodes if n.op_type == "BatchNormalization" and n.domain in {"", "ai.onnx"}]
