"""The manifest's validation row."""

import json
from pathlib import Path

import numpy as np
import pytest

from optkit.core.errors import OptkitError
from optkit.core.signature import TensorSpec
from optkit.data.read import read_samples
from optkit.data.synthesise import synthesise
from optkit.validate.run import validate

WEIGHTS = np.random.default_rng(0).standard_normal((8, 4))
X = TensorSpec("x", (2, 8), "float32")


def network(weights, calls=None, name="logits"):
    def infer(arrays):
        if calls is not None:
            calls.append(1)
        return {name: arrays["x"] @ weights}

    return infer


@pytest.fixture
def samples(tmp_path):
    x = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=(x @ WEIGHTS).argmax(1))
    return read_samples("d.npz", (X,), labels="y", images=None, trusted=False, root=Path(tmp_path))


def test_one_pass_gives_parity_and_metric(samples):
    first, second, told = [], [], []
    row = validate(
        network(WEIGHTS, first),
        network(-WEIGHTS, second, name="other"),
        samples,
        "accuracy",
        None,
        lambda done, total: told.append((done, total)),
    )
    assert len(first) == len(second) == samples.count == 10
    assert told[-1] == (10, 10)
    assert (row["data"], row["samples"]) == ("given", 10)
    assert row["outputs"][0]["name"] == "logits"
    assert row["outputs"][0]["cosine"] == pytest.approx(-1)
    metric = row["metric"]
    assert metric["name"] == "accuracy"
    assert metric["reference"] == 1
    assert metric["value"] == 0  # the largest score has become the smallest
    assert metric["drop"] == 1
    json.dumps(row, allow_nan=False)


def test_a_metric_of_another_shape_has_no_value(samples):
    row = validate(
        network(WEIGHTS), network(WEIGHTS[:, :2]), samples, "accuracy", None, lambda *_: None
    )
    assert "shape" in row["outputs"][0]["problem"]
    assert row["metric"] == {"name": "accuracy", "reference": 1, "value": None, "drop": None}


def test_without_metric(samples):
    row = validate(network(WEIGHTS), network(WEIGHTS), samples, None, None, lambda *_: None)
    assert row["metric"] is None
    made = synthesise((X,), 2, 0, {})
    assert (
        validate(network(WEIGHTS), network(WEIGHTS), made, None, None, print)["data"]
        == "synthesised"
    )


@pytest.mark.parametrize(
    ("metric", "output", "words"),
    [("accuracy", "boxes", "no output 'boxes'"), ("f1", None, "unknown metric")],
)
def test_mistakes(samples, metric, output, words):
    run = network(WEIGHTS)
    with pytest.raises(OptkitError, match=words):
        validate(run, run, samples, metric, output, lambda *_: None)


def test_a_metric_needs_labels_and_samples(samples):
    run, made = network(WEIGHTS), synthesise((X,), 2, 0, {})
    with pytest.raises(OptkitError, match="needs labels"):
        validate(run, run, made, "accuracy", None, lambda *_: None)
    with pytest.raises(OptkitError, match="no samples"):
        validate(run, run, samples.part(0, 0), None, None, lambda *_: None)
