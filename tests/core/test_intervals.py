"""Intervals that hold what they should, of one measurement and of two."""

import math

import numpy as np
import pytest

from optkit.core.intervals import (
    calm_ratio,
    inverse,
    latency_intervals,
    percentile_ratios,
    quotient,
)


def rounds(seed, count=100, each=20, scale=1.0):
    draw = np.random.default_rng(seed)
    return [(scale * np.exp(draw.normal(0, 0.1, each))).tolist() for _ in range(count)]


@pytest.mark.parametrize("sittings", [[10] * 10, [50, 50], []], ids=["ten", "two", "untold"])
def test_an_interval_of_the_median_holds_it_about_as_often_as_it_says(sittings):
    """The true median is 1; of 40 intervals at 95 % at least 34 hold it."""
    held = sum(
        low <= 1 <= high
        for seed in range(40)
        for low, high in [latency_intervals(rounds(seed), sittings)["p50"]]
    )
    assert held >= 34


def test_every_percentile_lies_in_its_interval():
    found = latency_intervals(rounds(0), [10] * 10)
    assert list(found) == ["p50", "p90", "p95", "p99", "mean"]
    flat = [sample for samples in rounds(0) for sample in samples]
    for word in ("p50", "p90", "p95"):
        low, high = found[word]
        assert low <= np.percentile(flat, int(word[1:])) <= high
        assert high / low < 1.2


def test_tails_that_are_twice_as_long_are_told():
    base, twice = rounds(1), rounds(2, scale=2.0)
    found = percentile_ratios(twice, base, [10] * 10)
    for word in ("p90", "p95", "p99"):
        low, high = found[word]["ci95"]
        assert low < found[word]["value"] < high
        assert low > 1.8
        assert high < 2.2
    halved = percentile_ratios(twice, base, [10] * 10, 0.5)
    assert halved["p90"]["value"] == pytest.approx(found["p90"]["value"] / 2)


def test_tails_of_few_sittings_are_not_told():
    assert percentile_ratios(rounds(1), rounds(2), [50, 50]) == {}


def test_what_is_left_alone_tells_two_models_apart_where_the_rest_is_disturbed():
    """Six samples of ten take two to ten times as long, at random: a fifth is still seen."""
    draw = np.random.default_rng(0)

    def disturbed(scale):
        times = scale * np.exp(draw.normal(0, 0.01, (100, 5)))
        times *= np.where(draw.random((100, 5)) < 0.6, draw.uniform(2, 10, (100, 5)), 1)
        return times.tolist()

    found = calm_ratio(disturbed(1.2), disturbed(1.0), [10] * 10)
    low, high = found["ci95"]
    assert 1.15 < low < found["value"] < high < 1.25
    halved = calm_ratio(disturbed(1.2), disturbed(1.0), [10] * 10, 0.5)
    assert halved["value"] == pytest.approx(0.6, rel=0.03)


def test_a_quotient_adds_errors_as_independent_ones():
    same = quotient((2.0, 1.8, 2.2), (2.0, 2.0, 2.0))
    assert same == pytest.approx((1.0, 0.9, 1.1))
    value, low, high = quotient((3.0, 2.7, 3.3), (1.5, 1.35, 1.65))
    assert value == pytest.approx(2.0)
    assert math.log(high / 2) == pytest.approx(math.hypot(math.log(1.1), math.log(1 / 0.9)))
    assert math.log(2 / low) == pytest.approx(math.hypot(math.log(1 / 0.9), math.log(1.1)))


def test_an_inverse_swaps_the_ends():
    assert inverse((2.0, 1.6, 2.5)) == (0.5, 0.4, 0.625)
