"""What lies on both sides of a bound is decided by nobody."""

import math

import pytest

from optkit.engine.gates import judge as gates
from optkit.engine.gates.figures import Figure
from optkit.engine.gates.verdict import within, worst
from optkit.recipe.gates import Bound, Gate


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        ((1.6, 1.55, 1.7), "held"),
        ((1.5, 1.5, 1.5), "held"),
        ((1.6, 1.4, 1.8), "too noisy"),
        ((1.4, 1.3, 1.6), "too noisy"),
        ((1.4, 1.3, 1.49), "missed"),
        ((math.nan, 1.0, 2.0), "missed"),
        ((1.4, 1.4, 1.4), "missed"),
    ],
)
def test_a_bound_from_below(figure, verdict):
    assert within(figure, 1.5, math.inf) == verdict


def test_an_interval_wider_than_both_ends_is_noise():
    assert within((1.0, 0.5, 2.0), 0.9, 1.1) == "too noisy"


def test_what_rests_on_too_little_is_noise_however_clear_it_looks():
    assert within((9.0, 8.0, 10.0), -math.inf, 1.0, certain=False) == "too noisy"


def test_a_miss_outweighs_all():
    assert worst(["held", "too noisy", "missed", "not comparable"]) == "missed"
    assert worst(["held", "not comparable", "too noisy"]) == "too noisy"


def judged(gate, *figures, strict=False):
    against = gates.Against(strict=strict)
    (_, row) = gates.judge({"speedup": gate}, {"speedup": figures}, "fp32", (), against)
    return row


def test_a_noisy_gate_passes_unless_the_recipe_is_strict():
    noisy = Figure(1.5, (1.2, 1.9))
    row = judged(Bound(min=1.5), noisy)
    assert (row["held"], row["verdict"], row["ci95"]) == (True, "too noisy", [1.2, 1.9])
    strict = judged(Bound(min=1.5), noisy, strict=True)
    assert (strict["held"], strict["verdict"]) == (False, "too noisy")


def test_of_several_scenarios_the_worst_decides_and_is_named():
    good, bad = Figure(2.0, (1.9, 2.1), "CPU offline"), Figure(1.2, (1.1, 1.3), "CPU single-stream")
    row = judged(Bound(min=1.5), good, bad)
    assert (row["verdict"], row["value"], row["at"]) == ("missed", 1.2, "CPU single-stream")
    alone = judged(Bound(min=1.5), good)
    assert "at" not in alone


def test_where_a_baseline_is_taken_a_change_is_not_judged_and_an_end_is():
    wanted = {"speedup": Gate(min=1.5, max_decrease="5%"), "size_bytes": Gate(max_increase="5%")}
    measured = {"speedup": [Figure(1.2, (1.1, 1.3))], "size_bytes": [Figure(10)]}
    against = gates.Against(waived=True)
    rows = gates.judge(wanted, measured, "fp32", (), against)[1:]
    assert [(row["name"], row["verdict"]) for row in rows] == [("speedup", "missed")]


def test_a_change_from_nothing_is_missed():
    (_, row) = gates.judge(
        {"size_bytes": Gate(max_increase=1)}, {"size_bytes": [Figure(1)]}, "fp32"
    )
    assert (row["held"], row["note"]) == (False, "there is no baseline")
