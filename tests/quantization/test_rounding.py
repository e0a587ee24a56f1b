"""Weights in 8 bits: a scale for each channel."""

import numpy as np
import pytest

from optkit.quantization.rounding import HALF, TOP, round_weights


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("top", [TOP, HALF])
def test_within_half_a_step_of_the_weights(axes, top):
    weights = np.random.default_rng(0).standard_normal((4, 6, 3, 3)).astype("float32")
    integers, scale = round_weights(weights, axes, top)
    assert integers.dtype == np.int8
    assert np.abs(integers).max() == top
    assert scale.shape == tuple(size if at in axes else 1 for at, size in enumerate((4, 6, 3, 3)))
    assert (np.abs(integers * scale - weights) <= scale / 2 * (1 + 1e-5)).all()


def test_a_channel_of_zeros_stays_zero():
    weights = np.zeros((2, 3), "float32")
    weights[1] = 1
    integers, scale = round_weights(weights, (0,))
    assert integers[0].tolist() == [0, 0, 0]
    assert np.isfinite(scale).all()
    assert (scale > 0).all()
