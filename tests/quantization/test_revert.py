"""Layers go back until the bounds hold: the fewest, of those the cheapest; resumable."""

import math

import pytest

from optkit.quantization.judge import Score
from optkit.quantization.revert import Bounds, revert

NOISE = {"a": 1.0, "b": 10.0, "c": 0.1, "d": 5.0, "e": 0.5}
LAYERS = [(name, 100) for name in NOISE]


def judge(kept):
    """Noise adds up over the layers that are quantized."""
    noise = sum(value for name, value in NOISE.items() if name not in kept)
    return Score(math.inf if noise == 0 else -10 * math.log10(noise))


def plain(_, compute):
    return compute()


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(-12.0, {"b"}), (-9.0, {"b"}), (-3.0, {"b", "d"}), (0.0, {"b", "d", "a"}),
     (9.9, {"b", "d", "a", "e"})],
)  # fmt: skip
def test_the_fewest_layers_go_back(bound, expected):
    done = revert(LAYERS, judge(frozenset()), Bounds(bound), judge, plain)
    assert set(done.layers) == expected
    assert done.score.sqnr_db >= bound
    assert [name for name, _ in done.ranking] == ["b", "d", "a", "e", "c"]


def test_of_equal_layers_the_cheap_one_goes_back():
    layers, noise = [("dear", 1000), ("cheap", 1)], {"dear": 1.0, "cheap": 1.0}

    def equal(kept):
        left = sum(value for name, value in noise.items() if name not in kept)
        return Score(math.inf if left == 0 else -10 * math.log10(left))

    done = revert(layers, equal(frozenset()), Bounds(-0.1), equal, plain)
    assert done.layers == ("cheap",)


def test_a_bound_out_of_reach_keeps_the_best_that_was_found():
    def stuck(kept):
        return Score(10.0 + len(kept))

    bounds = Bounds(99)
    done = revert(LAYERS, stuck(frozenset()), bounds, stuck, plain)
    assert done.score.sqnr_db == 14
    (row,) = bounds.rows(done.score)
    assert (row["held"], row["value"], row["bound"]) == (False, 14, ">= 99")


@pytest.mark.parametrize("score", [Score(math.nan), Score(-math.inf), Score(20, math.nan)])
def test_what_is_no_number_holds_no_bound(score):
    assert not Bounds(min_sqnr_db=10, max_drop=0.1).hold(score)


def test_a_run_that_was_killed_goes_on_where_it_was():
    known, asked = {}, []

    def remember(kept, compute):
        key = tuple(kept)
        if key not in known:
            known[key] = compute()
        return known[key]

    def dying(kept):
        asked.append(kept)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return judge(kept)

    with pytest.raises(KeyboardInterrupt):
        revert(LAYERS, judge(frozenset()), Bounds(0.0), dying, remember)
    done = revert(LAYERS, judge(frozenset()), Bounds(0.0), dying, remember)
    assert set(done.layers) == {"b", "d", "a"}
    assert all(asked.count(kept) == 1 for kept in asked if kept != asked[3])
