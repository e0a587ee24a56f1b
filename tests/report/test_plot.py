"""Where ticks, paths and labels lie in the picture that is drawn."""

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hostile import NAME

from optkit.report.figure import Axis, Figure, Mark, Series
from optkit.report.plot import draw


def drawn(*series, x=None, y=None):
    return ET.fromstring(draw(Figure("title", "told", x or Axis("x"), y or Axis("y"), series)))


def path(svg, word="curve"):
    (found,) = [one for one in svg.iter("path") if one.get("class") == word]
    points = found.get("d").strip("Mz").replace(" L", " ").split()
    return [(float(x), float(y)) for x, y in zip(points[::2], points[1::2], strict=True)]


def ticks(svg, axis="x"):
    (group,) = [one for one in svg.iter("g") if one.get("class", "").split()[:2] == ["axis", axis]]
    return [(text.text, float(text.get(axis))) for text in group.iter("text")]


def labels(svg):
    return [one for one in svg.iter("text") if one.get("class") == "label"]


def test_a_line_rises_to_the_right_and_upwards():
    first, middle, last = path(drawn(Series(line=[(0, 0), (1, 1), (2, 2)])))
    assert first[0] < middle[0] < last[0]
    assert first[1] > middle[1] > last[1]
    assert middle == pytest.approx([(first[at] + last[at]) / 2 for at in (0, 1)], abs=0.1)


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios():
    svg = drawn(Series(line=[(1, 0), (10, 1), (100, 2)]), x=Axis("ms", log=True))
    first, middle, last = (x for x, _ in path(svg))
    assert middle - first == pytest.approx(last - middle, abs=0.2)
    assert [text for text, _ in ticks(svg)] == ["1", "10", "100"]
    assert [at for _, at in ticks(svg)] == pytest.approx([first, middle, last], abs=0.1)


@pytest.mark.parametrize("log", [False, True])
def test_one_value_alone_has_an_axis(log):
    svg = drawn(Series(marks=[Mark(0.3, 7, "only")]), x=Axis("x", log=log))
    (circle,) = svg.iter("circle")
    assert 0 < float(circle.get("cx")) < 380
    assert ticks(svg)


def test_a_span_keeps_small_differences_small():
    svg = drawn(Series(marks=[Mark(0, 63.781), Mark(1, 63.780)]), y=Axis("dB", span=6))
    low, high = (float(one.get("cy")) for one in svg.iter("circle"))
    assert abs(low - high) < 1


def test_labels_keep_clear_of_each_other_and_of_the_edge():
    marks = [Mark(0, 0, "left"), Mark(0.001, 0, "beside"), Mark(1, 0, "a long name at the edge")]
    left, beside, edge = labels(drawn(Series(marks=marks)))
    assert float(beside.get("y")) - float(left.get("y")) >= 14
    assert (left.get("text-anchor"), edge.get("text-anchor")) == ("start", "end")


def test_a_label_is_no_wider_than_the_picture():
    (label,) = labels(drawn(Series(marks=[Mark(0, 0, "a" * 300 + "z")])))
    assert len(label.text) * 6.4 < 380
    assert (label.text[0], label.text[-1]) == ("a", "z")


def test_only_marks_with_a_name_are_labelled_and_every_mark_tells_its_figures():
    svg = drawn(Series(marks=[Mark(1, 2), Mark(3, 4, "b")]))
    (label,) = labels(svg)
    assert label.text == "b"
    second = list(svg.iter("circle"))[1]
    assert float(label.get("x")) == pytest.approx(float(second.get("cx")) + 8, abs=0.1)
    assert [one.find("title").text for one in svg.iter("circle")] == ["1, 2", "b: 3, 4"]


def test_rows_lie_one_above_the_other_each_under_its_label():
    rows = [Series(line=[(1, at), (2, at)], marks=[Mark(1, at, f"row {at}")]) for at in range(3)]
    svg = drawn(*rows, y=Axis(rows=True))
    floors = [float(one.get("cy")) for one in svg.iter("circle")]
    assert floors == sorted(floors, reverse=True)
    (row,) = {round(a - b, 1) for a, b in pairwise(floors)}
    for floor, label in zip(floors, labels(svg), strict=True):
        assert label.get("text-anchor") == "start"
        assert floor - row < float(label.get("y")) < floor


def test_an_area_is_closed_and_a_bound_is_dashed():
    svg = drawn(Series(line=[(0, 0), (1, 1), (2, 0)], area=True), Series(line=[(0, 1), (2, 1)],
                dashed=True))  # fmt: skip
    assert [one.get("d")[-1] for one in svg.iter("path") if one.get("class") == "area"] == ["z"]
    assert [one for one in svg.iter("path") if one.get("class") == "dashed curve"]


def test_it_holds_geometry_and_words_alone():
    svg = drawn(Series(marks=[Mark(1, 1, NAME), Mark(2, 2, "b")]))
    assert not {one.tag for one in svg.iter()} - {"svg", "g", "path", "text", "circle", "title"}
    assert {name for one in svg.iter() for name in one.attrib} <= {
        "class", "d", "cx", "cy", "r", "x", "y", "transform", "viewBox", "text-anchor", "role",
        "aria-label",
    }  # fmt: skip
    assert svg.get("aria-label") == "title. told"


def test_the_same_figure_gives_the_same_bytes():
    figure = Figure("t", "w", Axis("x"), Axis("y"), [Series(marks=[Mark(1, 1, "a")])])
    assert draw(figure) == draw(figure)
