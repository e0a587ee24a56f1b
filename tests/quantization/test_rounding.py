"""Weights in 8 bits: a scale for each channel."""

import numpy as np
import pytest

from optkit.quantization.rounding import HALF, SUM, TOP, round_weights


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


@pytest.mark.parametrize(
    ("shape", "axes", "pairs"),
    [
        ((6, 7, 3, 3), (0,), (1,)),
        ((6, 7, 3, 3), (0,), (2, 3, 1)),
        ((6, 1, 3, 3), (0,), (2, 3, 1)),
        ((8, 5), (1,), (0,)),
    ],
)
def test_no_two_products_exceed_16_bits(shape, axes, pairs):
    """Even of weights that are all near the peak; where none are, scales stay as fine."""
    draw = np.random.default_rng(0)
    flat = draw.uniform(0.9, 1, shape).astype("float32") * draw.choice([-1, 1], shape)
    integers, scale = round_weights(flat, axes, pairs=pairs)
    sums = np.add(*halves(integers.astype(int), pairs))
    assert 0.9 * SUM < np.abs(sums).max() <= SUM
    assert (np.abs(integers * scale - flat) <= scale / 2 * (1 + 1e-5)).all()
    along = [shape[axis] for axis in pairs]
    places = np.ravel_multi_index(np.indices(shape)[list(pairs)], along)
    sparse = np.where(places % 2, 0, flat)
    assert np.allclose(round_weights(sparse, axes, pairs=pairs)[1], round_weights(sparse, axes)[1])


def halves(weights, pairs):
    """The first and the second of each two along these axes."""
    rest = [axis for axis in range(weights.ndim) if axis not in pairs]
    ordered = weights.transpose(*rest, *pairs)
    flat = ordered.reshape(*ordered.shape[: len(rest)], -1)
    even = flat.shape[-1] // 2 * 2
    return flat[..., 0:even:2], flat[..., 1:even:2]
