"""Comparing outputs."""

import json
import math

import numpy as np
import pytest

from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.data.synthesise import synthesise
from optkit.validate.parity import compare, from_json, partners, to_json

INPUTS = (TensorSpec("x", (2, 16), "float32"),)


def samples(count=4) -> Samples:
    return synthesise(INPUTS, count, 0, {})


def parity(reference, candidate, count=4):
    """The comparison of two functions of x that give one output."""
    return compare(
        lambda arrays: {"y": np.asarray(reference(arrays["x"]))},
        lambda arrays: {"y": np.asarray(candidate(arrays["x"]))},
        samples(count),
        lambda done, total: None,
    )[0]


def test_figures_equal_those_over_all_values_at_once():
    def noisy(x):
        return x + 0.1 * np.cos(7 * x)

    found = parity(lambda x: x, noisy)
    r = np.concatenate([sample["x"].ravel() for sample in samples()]).astype(np.float64)
    c = np.concatenate([noisy(sample["x"]).ravel() for sample in samples()]).astype(np.float64)
    assert found.elements == r.size == 128
    assert found.max_abs == pytest.approx(np.abs(r - c).max())
    assert found.max_rel == pytest.approx(np.abs(r - c).max() / np.abs(r).max())
    assert found.cosine == pytest.approx(r @ c / np.linalg.norm(r) / np.linalg.norm(c))
    assert found.sqnr_db == pytest.approx(10 * math.log10((r @ r) / ((r - c) @ (r - c))))
    assert (found.verdict, found.problem) == ("compared", None)


def test_large_outputs_go_in_blocks():
    big = np.random.default_rng(0).standard_normal((3, 700_001))
    found = parity(lambda x: big, lambda x: big * 1.5, count=1)
    assert found.elements == big.size
    assert found.max_abs == pytest.approx(np.abs(big).max() / 2)
    assert found.sqnr_db == pytest.approx(10 * math.log10(4))
    assert found.cosine == pytest.approx(1)


def test_identical_outputs():
    found = parity(lambda x: x, lambda x: x)
    assert (found.max_abs, found.max_rel, found.cosine, found.sqnr_db) == (0, 0, 1, None)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (lambda x: np.where(x > 1, np.nan, x), "result holds NaN"),
        (lambda x: np.where(x > 1, np.inf, x), "result holds Inf"),
        (lambda x: x[:, :3], "shape is (2, 3), the reference's (2, 16)"),
        (lambda x: np.full_like(x, 0.25), "constant where the reference varies"),
        (lambda x: x * 1e-9, "constant where the reference varies"),
    ],
)
def test_problems_of_the_result(candidate, words):
    found = parity(lambda x: x, candidate)
    assert words in found.problem
    assert found.verdict == "compared"
    json.dumps(to_json(found), allow_nan=False)
    assert from_json(to_json(found)) == found


def test_a_reference_of_nan_is_the_sources_fault():
    found = parity(lambda x: np.where(x > 1, np.nan, x), lambda x: x)
    assert "source model gives NaN" in found.problem


@pytest.mark.parametrize(
    "reference",
    [
        lambda x: np.full_like(x, 3.0),
        np.zeros_like,
        lambda x: x * 1e-28,
        lambda x: 1e3 + x.astype(np.float64) * 1e-6,
        lambda x: np.full_like(x, -np.inf),
        lambda x: np.zeros((0, 4)),
    ],
)
def test_a_constant_reference_proves_nothing(reference):
    found = parity(reference, reference)
    assert (found.verdict, found.problem) == ("unverified", None)
    json.dumps(to_json(found), allow_nan=False)


def test_variation_over_samples_alone_counts():
    found = parity(lambda x: np.full((1, 4), x[0, 0]), lambda x: np.full((1, 4), x[0, 0]))
    assert found.verdict == "compared"


def test_small_variation_on_a_large_mean_is_seen():
    found = parity(lambda x: 1e4 + x.astype(np.float64), lambda x: 1e4 + x.astype(np.float64))
    assert found.verdict == "compared"


def test_equal_infinities_agree_and_others_do_not():
    masked = parity(
        lambda x: np.where(x > 1, -np.inf, x), lambda x: np.where(x > 1, -np.inf, x + 0.01)
    )
    assert masked.problem is None
    assert masked.max_abs == pytest.approx(0.01, rel=1e-4)
    assert masked.elements == 128
    lost = parity(lambda x: np.where(x > 1, -np.inf, x), lambda x: np.where(x > 1, -9.0, x))
    assert "finite where the reference is infinite" in lost.problem
    sign = parity(lambda x: np.where(x > 1, -np.inf, x), lambda x: np.where(x > 1, np.inf, x))
    assert "Inf" in sign.problem


def test_integers_and_booleans_are_compared():
    labels = parity(lambda x: x.argmax(1), lambda x: x.argmax(1) + (x[:, 0] > 0))
    assert labels.max_abs == 1
    flags = parity(lambda x: x > 0, lambda x: x > 0.3)
    assert flags.max_abs == 1
    assert 0 < flags.cosine < 1


def test_a_result_that_is_one_sample_wrong_is_seen():
    seen = []

    def once_wrong(x):
        seen.append(0)
        return x if len(seen) != 3 else x + np.nan

    assert "(sample 2)" in parity(lambda x: x, once_wrong).problem


def test_outputs_meet_by_name_then_by_position():
    assert partners({"a": 0, "b": 0}, {"b": 0, "a": 0}) == {"a": "a", "b": "b"}
    assert partners({"a": 0, "b": 0}, {"out.0": 0, "out.1": 0}) == {"a": "out.0", "b": "out.1"}
    assert partners({"a": 0, "b": 0}, {"out": 0}) == {"a": "out", "b": None}
    assert partners({"a": 0, "b": 0}, {"b": 0}) == {"a": None, "b": "b"}
    found = compare(
        lambda a: {"p": a["x"], "q": -a["x"]}, lambda a: {"q": -a["x"]}, samples(), lambda *_: None
    )
    assert "missing" in found[0].problem
    assert found[0].cosine is None
    assert found[1].cosine == 1


def test_a_network_that_writes_into_its_input_harms_nobody():
    def in_place(arrays):
        arrays["x"] *= 0
        return {"y": arrays["x"] + 1}

    found = compare(in_place, lambda a: {"y": a["x"]}, samples(), lambda *_: None)[0]
    assert found.verdict == "unverified"
    assert found.max_abs > 1  # the candidate saw the untouched input
