"""Moments against what samples of logistic values show."""

import numpy as np
import pytest

from optkit.quantization import moments
from optkit.quantization.ranges import fitted

MEAN, STD = np.array([-1.0, 0.0, 2.0]), np.array([0.5, 1.0, 2.0])


def drawn(count=200_000):
    return MEAN + STD * 3**0.5 / np.pi * np.random.default_rng(0).logistic(size=(count, 3))


@pytest.mark.parametrize(
    "function",
    [lambda x: np.maximum(x, 0), lambda x: x.clip(0, 6), lambda x: x / (1 + np.exp(-x))],
    ids=["relu", "relu6", "swish"],
)
def test_through_a_function(function):
    found, values = moments.through(moments.logistic(MEAN, STD), function), function(drawn())
    assert np.allclose(found.mean, values.mean(0), atol=0.02)
    assert np.allclose(found.std, values.std(0), atol=0.03)
    assert (found.values.min(0) <= values.min(0) + 0.01).all()
    assert (found.values.max(0) >= values.max(0) - 0.01).all()


def test_through_a_layer():
    weights = np.random.default_rng(1).standard_normal((4, 3, 1))
    found, values = (
        moments.weighed(moments.logistic(MEAN, STD), weights),
        drawn() @ weights[..., 0].T,
    )
    assert np.allclose(found.mean, values.mean(0), atol=0.05)
    assert np.allclose(found.std, values.std(0), rtol=0.02)


def test_a_scale_of_both_signs_turns_the_ends():
    found = moments.scaled(moments.logistic(MEAN, STD), np.array([-1.0, 2.0, 1.0]))
    assert found.values[0, 0] > found.values[-1, 0]
    assert (found.std > 0).all()
    assert found.mean.tolist() == [1, 0, 2]


def test_a_sum_reaches_no_further_than_its_parts():
    relu = moments.through(moments.logistic(MEAN, STD), lambda x: np.maximum(x, 0))
    found = moments.summed(relu, relu)
    assert (found.values >= 0).all()
    assert (found.values <= 2 * relu.values.max(0) + 1e-9).all()


def rounding_error(values, high, *, signed):
    """Mean squared, in 256 levels."""
    range_ = fitted(np.float32(-high if signed else 0), np.float32(high), symmetric=True)
    step = (float(range_.high) - float(range_.low)) / 255
    return np.square(np.rint(values.clip(range_.low, range_.high) / step) * step - values).mean()


@pytest.mark.parametrize("rectified", [False, True])
def test_no_other_range_has_a_smaller_error(rectified):
    """
    Given: channels of different spread that share a range
    Result: neither a narrower nor a wider range rounds and clips drawn values with less error
    """
    spread = np.array([0.1, 0.5, 3.0])
    given = moments.logistic(np.zeros(3), spread)
    values = spread * 3**0.5 / np.pi * np.random.default_rng(1).logistic(size=(400_000, 3))
    if rectified:
        given, values = moments.through(given, lambda x: x.clip(0)), values.clip(0)
    low, high = moments.ends(given, channels=False)
    assert (low == 0) == rectified
    errors = [rounding_error(values, high * f, signed=not rectified) for f in (0.75, 1.0, 1.4)]
    assert errors[1] == min(errors)
    each = moments.ends(given, channels=True)[1]
    assert each[0] < each[1] < each[2]


def test_the_range_lies_between_those_of_a_normal_and_a_laplace_distribution():
    """In 8 bits, ACIQ (Banner et al. 2019): 3.9 and 7.0 standard deviations."""
    given = moments.logistic(np.zeros(1), np.ones(1))
    assert 3.9 < moments.ends(given, channels=False)[1] < 7.0


def test_a_mean_over_a_map_varies_less_than_its_places():
    """
    Given: rectified values
    Result: their mean stays, their range narrows, and no value is below zero
    """
    places = moments.through(moments.logistic(MEAN, STD), lambda x: np.maximum(x, 0))
    pooled = moments.averaged(places)
    assert np.array_equal(pooled.mean, places.mean)
    assert (pooled.std < 0.7 * places.std).all()
    assert (pooled.values.min(0) >= 0).all()
    tops = [moments.ends(item, channels=True)[1] for item in (pooled, places)]
    assert (tops[0] < 0.8 * tops[1]).all()
    assert (tops[0] > pooled.mean + 3 * pooled.std).all()
