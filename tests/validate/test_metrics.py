"""Task metrics against labels."""

import numpy as np
import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.validate.metrics import drop, find_metric

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])


def test_accuracy_and_top_k():
    assert find_metric("accuracy").score(SCORES, np.array([1, 0, 1])) == (2, 3)
    assert find_metric("top2").score(SCORES, np.array([0, 1, 0])) == (1, 3)


def test_ties_go_to_the_first_class_as_argmax_does():
    accuracy = find_metric("accuracy")
    assert accuracy.score(np.zeros((2, 4)), np.array([0, 1])) == (1, 2)


def test_nan_scores_are_wrong():
    assert find_metric("accuracy").score(np.full((2, 3), np.nan), np.array([0, 0])) == (0, 2)


@pytest.mark.parametrize("axis", [1, -1])
def test_classes_on_axis_one_or_last(axis):
    scores = np.random.default_rng(0).random((2, 5, 6, 4))
    labels = scores.argmax(axis)
    labels.flat[0] = (labels.flat[0] + 1) % 4
    assert find_metric("accuracy").score(scores, labels) == (labels.size - 1, labels.size)


def test_mse_forgives_axes_of_one():
    score = find_metric("mse").score
    assert score(np.array([[1.0], [3.0]]), np.array([1, 1])) == (4, 2)


@pytest.mark.parametrize(
    ("name", "output", "labels", "words"),
    [
        ("accuracy", SCORES, np.zeros((3, 3), int), r"\(3, 3\).*\(3, 3\)"),
        ("accuracy", SCORES, np.array([0, 1, 3]), "3 classes"),
        ("accuracy", SCORES, np.array([0, -1, 2]), "-1"),
        ("accuracy", SCORES, np.array([0, 0.5, 2]), "0.5|labels"),
        ("top5", SCORES, np.array([0, 1, 2]), "always right"),
        ("mse", SCORES, np.array([0, 1, 2]), r"\(3,\).*\(3, 3\)"),
    ],
)
def test_labels_that_do_not_fit(name, output, labels, words):
    metric = find_metric(name)
    with pytest.raises(OptkitError, match=words) as caught:
        metric.score(output, labels)
    assert caught.value.exit_code == Exit.BAD_INPUT


def test_unknown_names_are_answered():
    with pytest.raises(OptkitError) as caught:
        find_metric("acuracy")
    assert caught.value.hint == "did you mean 'accuracy'?"
    with pytest.raises(OptkitError):
        find_metric("top0")


def test_drop_is_positive_when_worse():
    assert drop(find_metric("accuracy"), 0.9, 0.8) == pytest.approx(0.1)
    assert drop(find_metric("mse"), 0.1, 0.4) == pytest.approx(0.3)
