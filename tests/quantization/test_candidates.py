"""The search: one thing varied after the other; every combination where thorough."""

import pytest

from optkit.core.errors import OptkitError
from optkit.quantization.candidates import Trial, search
from optkit.quantization.judge import Score
from optkit.quantization.wishes import wishes

OPEN = {
    "engine": "auto", "preset": "auto", "estimator": "auto", "margin": None,
    "bias_correction": "auto", "fast_bias_correction": True, "overflow_fix": "auto",
    "transformer": False, "free": False,
}  # fmt: skip


def tried(score, **options):
    asked = []

    def attempt(candidate):
        asked.append(candidate)
        return Trial(candidate, Score(score(candidate)))

    return search(wishes(**{**OPEN, "effort": "balanced", **options}), attempt), asked


def test_fast_tries_nothing():
    _, asked = tried(lambda _: 0.0, effort="fast")
    assert [str(one) for one in asked] == [
        "optkit, minmax, margin 1.1, symmetric, fast bias correction, overflow fix pairs"
    ]


def test_balanced_finds_what_each_choice_adds():
    def score(one):
        return (one.margin == 1.5) * 3 + (not one.symmetric) * 2 + (one.correction == "none")

    ranked, asked = tried(score)
    best = ranked[0].candidate
    assert (best.margin, best.symmetric, best.correction) == (1.5, False, "none")
    assert len(asked) == len(set(asked)) < 17
    assert {one.engine for one in asked} == {"optkit", "nncf"}


def test_thorough_tries_every_combination():
    _, asked = tried(lambda _: 0.0, effort="thorough", engine="optkit")
    assert len(asked) == 4 * 6 * 2 * 3 + 2  # and two more ways to keep sums within 16 bits


def test_smoothing_is_for_transformers_and_nncf_alone():
    for transformer in (False, True):
        _, asked = tried(lambda _: 0.0, transformer=transformer)
        assert any(one.smooth for one in asked) is transformer
        assert all(one.engine == "nncf" for one in asked if one.smooth)


def test_what_the_user_says_is_not_varied():
    said = {"preset": "mixed", "estimator": "percentile", "margin": 2.0,
            "bias_correction": "full", "overflow_fix": "all", "engine": "optkit"}  # fmt: skip
    _, (only,) = tried(lambda _: 0.0, **said)
    assert (only.symmetric, only.estimator, only.margin) == (False, "percentile", 2.0)
    assert (only.correction, only.overflow, only.engine) == ("full", "all", "optkit")


def test_without_data_nothing_is_judged_on_inputs_made_up():
    _, asked = tried(lambda _: 0.0, free=True, transformer=True)
    assert [(one.engine, one.margin, one.smooth) for one in asked] == [("optkit", 1.0, False)]


def test_pairs_are_optkits_own():
    _, asked = tried(lambda _: 0.0, overflow_fix="pairs")
    assert {(one.engine, one.overflow) for one in asked} == {("optkit", "pairs")}
    with pytest.raises(OptkitError, match="NNCF has no overflow_fix: pairs"):
        tried(lambda _: 0.0, overflow_fix="pairs", engine="nncf")
    _, asked = tried(lambda _: 0.0)
    assert {one.overflow for one in asked if one.engine == "nncf"} == {"none"}
