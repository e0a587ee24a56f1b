"""Percentiles, and intervals that hold the truth about as often as they say."""

import numpy as np
import pytest

from optkit.core.stats import low_percentile_ratio, mean_ci95, percentile


def rounds(rng, scale, count=40, each=5):
    """Latencies with a floor, a tail, and load that each round shares."""
    load = 1 + rng.exponential(0.2, (count, 1))
    return (scale * (load + rng.exponential(0.05, (count, each)))).tolist()


def test_percentile_interpolates():
    assert percentile([1, 2, 3, 4], 50) == 2.5


def test_ratio_of_unequal_models():
    rng = np.random.default_rng(0)
    value, low, high = low_percentile_ratio(rounds(rng, 3.0), rounds(rng, 1.0))
    assert low < value < high
    assert value == pytest.approx(3, rel=0.1)


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(40):
        _, low, high = low_percentile_ratio(rounds(rng, 2.0), rounds(rng, 1.0), seed=seed)
        hits += low <= 2.0 <= high
    assert hits >= 34


def test_a_seed_repeats_and_the_ends_are_swapped_by_swapping():
    rng = np.random.default_rng(2)
    a, b = rounds(rng, 1.0), rounds(rng, 1.5)
    assert low_percentile_ratio(a, b) == low_percentile_ratio(a, b)
    value, low, high = low_percentile_ratio(a, b)
    assert low_percentile_ratio(b, a) == pytest.approx((1 / value, 1 / high, 1 / low), rel=0.02)


def test_mean_interval_widens_with_correlation_inside_rounds():
    rng = np.random.default_rng(3)
    shared = rounds(rng, 1.0)
    flat = [sample for samples in shared for sample in samples]
    shuffled = rng.permutation(flat).reshape(40, 5).tolist()
    low, high = mean_ci95(shared)
    low_shuffled, high_shuffled = mean_ci95(shuffled)
    assert low < np.mean(flat) < high
    assert high - low > 1.2 * (high_shuffled - low_shuffled)
