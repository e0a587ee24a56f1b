"""Bounds on what is lost: they hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from optkit.pruning.confidence import chance, least, upper


def sample(worse: int, better: int, count: int) -> np.ndarray:
    return np.r_[np.ones(worse), -np.ones(better), np.zeros(count - worse - better)]


@pytest.mark.parametrize(
    ("count", "worse", "better"), [(60, 0.05, 0.0), (120, 0.06, 0.03), (120, 0.25, 0.2)]
)
def test_a_loss_as_large_as_the_bound_passes_in_five_of_a_hundred_at_most(count, worse, better):
    """Given networks that lose just what is allowed; Result: 5 % of them pass, or fewer."""
    draw, known = np.random.default_rng(0), {}
    drawn = draw.multinomial(count, [worse, better, 1 - worse - better], size=2000)
    passed = 0
    for more, less, _ in drawn.tolist():
        if (more, less) not in known:
            lost = sample(more, less, count)
            known[more, less] = chance(lost, worse - better, both_ways=better > 0) <= 0.05
        passed += known[more, less]
    assert passed / len(drawn) <= 0.06
    harmless = sample(0, 0, 4 * count)
    assert chance(harmless, worse - better, both_ways=True) <= 0.05


def test_without_a_change_it_is_what_the_binomial_says():
    """Given n answers that stay; Result: 1 - 0.05^(1/n), and a little more where some can gain."""
    for count in (20, 60, 300):
        exact = 1 - 0.05 ** (1 / count)
        assert least(count, both_ways=False) == pytest.approx(exact, rel=1e-4)
        assert exact < least(count, both_ways=True) < 1.4 * exact


def test_gains_make_up_for_losses_only_where_there_can_be_any():
    lost = sample(8, 6, 200)
    assert lost.mean() == 0.01
    assert 0.01 < upper(lost, both_ways=True) < upper(sample(8, 0, 200), both_ways=True)
    assert upper(sample(4, 3, 1000), both_ways=True) < upper(lost, both_ways=True)


def test_fractions_are_bounded_by_their_spread():
    lost = np.random.default_rng(0).uniform(0, 0.1, 400)
    found = upper(lost, both_ways=False)
    assert found == pytest.approx(lost.mean() + 1.645 * lost.std(ddof=1) / 20, rel=1e-3)
