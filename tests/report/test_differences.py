"""Differences between runs, with what their intervals leave open."""

import math

import pytest

from optkit.report.differences import figure, ratio, speed


def test_the_intervals_of_both_runs_add_up():
    value, low, high = ratio((1.0, 1 / 1.1, 1.1), (2.0, 2 / 1.1, 2.2))
    wide = math.exp(math.hypot(math.log(1.1), math.log(1.1)))
    assert (value, low, high) == pytest.approx((2, 2 / wide, 2 * wide))


def test_a_run_without_doubt_leaves_the_others():
    assert ratio((1, 1, 1), (3, 2.5, 3.5)) == pytest.approx((3, 2.5, 3.5))


@pytest.mark.parametrize(
    ("after", "word", "tone"),
    [
        ((2.0, 1.9, 2.1), "faster", "good"), ((0.8, 0.78, 0.82), "slower", "bad"),
        ((1.0, 0.99, 1.01), "no difference", ""), ((1.2, 0.9, 1.5), "too noisy", "note"),
    ],
)  # fmt: skip
def test_a_speed_is_told_with_its_verdict(after, word, tone):
    told = speed((1.0, 0.99, 1.01), after)
    assert told.text.endswith(f"), {word}")
    assert told.tone == tone


def test_figures_that_are_no_samples_differ_or_do_not():
    assert figure(1.0, 1.0, more="bad") is None
    assert figure(None, 1.0, more="bad") is None
    assert figure(100, 150, more="bad") == (told := figure(100, 150, more="bad"))
    assert (told.text, told.tone) == ("+50 %", "bad")
    assert figure(100, 75, more="bad").tone == "good"
    assert figure(0.9, 0.8, more="good").tone == "bad"
    assert figure(1.0, 4.0, more="bad").text == "4.00×"
    assert figure(0.0, 0.02, more="bad").text == "+0.02"
