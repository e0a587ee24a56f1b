"""Moments against what samples of normal values show."""

import numpy as np
import pytest

from optkit.quantization import moments

MEAN, STD = np.array([-1.0, 0.0, 2.0]), np.array([0.5, 1.0, 2.0])


def drawn(count=200_000):
    return MEAN + STD * np.random.default_rng(0).standard_normal((count, 3))


@pytest.mark.parametrize(
    "function",
    [lambda x: np.maximum(x, 0), lambda x: x.clip(0, 6), lambda x: x / (1 + np.exp(-x))],
    ids=["relu", "relu6", "swish"],
)
def test_through_a_function(function):
    found, values = moments.through(moments.gaussian(MEAN, STD), function), function(drawn())
    assert np.allclose(found.mean, values.mean(0), atol=0.02)
    assert np.allclose(found.std, values.std(0), atol=0.03)
    assert (found.low <= values.min(0) + 0.01).all()
    assert (found.high >= values.max(0) - 1e-6).all()


def test_through_a_layer():
    weights = np.random.default_rng(1).standard_normal((4, 3, 1))
    found, values = (
        moments.weighed(moments.gaussian(MEAN, STD), weights),
        drawn() @ weights[..., 0].T,
    )
    assert np.allclose(found.mean, values.mean(0), atol=0.05)
    assert np.allclose(found.std, values.std(0), rtol=0.02)


def test_a_scale_of_both_signs_turns_the_ends():
    found = moments.scaled(moments.gaussian(MEAN, STD), np.array([-1.0, 2.0, 1.0]))
    assert (found.low < found.high).all()
    assert found.mean.tolist() == [1, 0, 2]


def test_a_sum_reaches_no_further_than_its_parts():
    relu = moments.through(moments.gaussian(MEAN, STD), lambda x: np.maximum(x, 0))
    found = moments.summed(relu, relu)
    assert (found.low >= 0).all()
    assert (found.high <= 2 * relu.high + 1e-9).all()
