"""Operations under their roofs, as far as both are known."""

from optkit.report.pictures import roofline

PEAKS = {"gops": {"fp32": 100.0}, "gb_per_s": 10.0}


def operation(name, intensity, gops, ms=1.0, precision="fp32"):
    return {
        "name": name, "precision": precision, "ms": ms, "intensity": intensity, "gops_per_s": gops,
        "roof_share": 0.5, "bound": "memory",
    }  # fmt: skip


def drawn(*operations, peaks=PEAKS):
    row = {"artifact": "m.xml", "runtime": "openvino", "device": "CPU", "peaks": peaks,
           "operations": operations}  # fmt: skip
    return list(roofline.of_profile([row]))


def test_the_roof_rises_with_memory_and_ends_at_the_peak():
    (figure,) = drawn(operation("a", 1, 5), operation("b", 100, 90))
    (series,) = figure.series
    assert series.line == [(0.5, 5.0), (10.0, 100.0), (200, 100.0)]
    assert [(mark.x, mark.y) for mark in series.marks] == [(1, 5), (100, 90)]
    assert "a: 1 ms, 5 GOPS at 1 FLOPs per byte, 50% of its roof, bound by memory" in figure.told


def test_each_precision_has_its_own_roof():
    (figure,) = drawn(operation("a", 1, 5), operation("b", 2, 9, precision="int8"))
    assert [series.name for series in figure.series] == ["fp32", "int8"]
    assert figure.series[1].line == []  # no peak of it is known


def test_only_one_slope_or_one_level_where_the_ridge_is_beyond():
    (left,) = drawn(operation("a", 1, 5))
    assert left.series[0].line == [(0.5, 5.0), (2, 20.0)]
    (right,) = drawn(operation("a", 1000, 90))
    assert right.series[0].line == [(500.0, 100.0), (2000, 100.0)]


def test_nothing_is_drawn_of_operations_without_work_or_models_that_failed():
    assert drawn(operation("a", None, None)) == []
    assert list(roofline.of_profile([{"artifact": "m", "error": {}}])) == []
