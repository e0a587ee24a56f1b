"""Where ticks, paths and labels lie."""

import pytest

from optkit.report.plot import Axis, Figure, Mark, Series, layout


def drawn(*series, x=None, y=None):
    return layout(Figure("title", "told", x or Axis("x"), y or Axis("y"), series))


def path(text):
    return [tuple(map(float, step.split())) for step in text.strip("MZ").split("L")]


def test_a_line_rises_to_the_right_and_upwards():
    (first, middle, last) = path(drawn(Series(line=[(0, 0), (1, 1), (2, 2)]))["series"][0]["path"])
    assert first[0] < middle[0] < last[0]
    assert first[1] > middle[1] > last[1]
    assert middle == pytest.approx([(first[at] + last[at]) / 2 for at in (0, 1)], abs=0.1)


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios():
    series = Series(line=[(1, 0), (10, 1), (100, 2)])
    picture = drawn(series, x=Axis("ms", log=True))
    first, middle, last = (x for x, _ in path(picture["series"][0]["path"]))
    assert middle - first == pytest.approx(last - middle, abs=0.2)
    assert [text for _, text in picture["x_ticks"]] == ["1", "10", "100"]
    assert [at for at, _ in picture["x_ticks"]] == pytest.approx([first, middle, last], abs=0.1)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [((0, 10), ["0", "2", "4", "6", "8", "10"]), ((0.1, 0.13), ["0.1", "0.11", "0.12", "0.13"])],
)
def test_ticks_are_round(values, ticks):
    picture = drawn(Series(line=[(value, 0) for value in values]))
    assert [text for _, text in picture["x_ticks"]] == ticks


@pytest.mark.parametrize("log", [False, True])
def test_one_value_alone_has_an_axis(log):
    picture = drawn(Series(marks=[Mark(0.3, 7, "only")]), x=Axis("x", log=log))
    assert picture["left"] < picture["series"][0]["marks"][0]["x"] < picture["right"]
    assert picture["x_ticks"]


def test_a_span_keeps_small_differences_small():
    marks = Series(marks=[Mark(0, 63.781), Mark(1, 63.780)])
    low, high = (mark["y"] for mark in drawn(marks, y=Axis("dB", span=6))["series"][0]["marks"])
    assert abs(low - high) < 1


def test_labels_keep_clear_of_each_other_and_of_the_edge():
    marks = [Mark(0, 0, "left"), Mark(0.001, 0, "beside"), Mark(1, 0, "a long name at the edge")]
    left, beside, edge = drawn(Series(marks=marks))["series"][0]["marks"]
    assert beside["label_y"] - left["label_y"] >= 14
    assert (left["before"], edge["before"]) == (False, True)
