"""Runs side by side."""

import copy
from pathlib import Path

import pytest
from hostile import read

from optkit.report import comparison
from optkit.report.html import render_comparison
from optkit.report.reading import Run
from optkit.report.tables import parts


@pytest.fixture
def runs(timed):
    manifest, slower = copy.deepcopy(timed.manifest), copy.deepcopy(timed.manifest)
    slower["artifacts"][0]["bytes"] *= 2
    for row in slower["benchmark"]:
        if row["artifact"] == "model.xml":
            row["speedup"] = {"value": 0.4, "ci95": [0.39, 0.41], "against": "fp32",
                              "verdict": "slower"}  # fmt: skip
    for row in manifest["benchmark"]:
        if row["artifact"] == "model.xml":
            row["speedup"] = {"value": 1.2, "ci95": [1.1, 1.3], "against": "fp32",
                              "verdict": "faster"}  # fmt: skip
    slower["environment"]["versions"] = {**slower["environment"]["versions"], "openvino": "1.0"}
    return [Run(Path("main"), manifest), Run(Path("change"), slower)]


def cells(table, name):
    (row,) = [row for row in table.rows if row[0].startswith(name)]
    return [[one.text for one in parts(cell)] for cell in row[1:]]


def test_the_same_figures_in_columns_with_the_difference_from_the_first(runs):
    found = comparison.of_runs(runs)
    assert found["names"] == ["main", "change"]
    table = found["figures"][0]
    assert list(table.heads) == ["figure", "main", "change"]
    first, second = cells(table, "size")
    assert (len(first), second[1]) == (1, "2.00×")
    first, second = cells(table, "times as fast as fp32")
    assert first == ["1.20× (1.10× to 1.30×)"]
    assert second[0] == "0.40× (0.39× to 0.41×)"
    assert second[1].startswith("0.33× as fast (0.31× to 0.36×)")
    assert second[1].endswith("slower")


def test_the_same_measurement_is_no_difference(runs):
    found = comparison.of_runs([runs[0], runs[0]])
    for row in found["figures"][0].rows:
        assert len(parts(row[2])) == 1, row


def test_only_libraries_that_differ_are_told(runs):
    told = [row[0] for row in comparison.of_runs(runs)["overview"].rows]
    assert told == ["verdict", "model", "steps", "processor", "optkit", "openvino"]


def test_a_result_that_one_run_lacks_leaves_its_cells(runs, failed):
    found = comparison.of_runs([runs[0], Run(Path("broken"), failed)])
    assert found["end"].text == "1 of 2 did not hold"
    assert cells(found["figures"][0], "size")[1] == ["not measured"]
    page = read(render_comparison([runs[0], Run(Path("broken"), failed)]))
    assert "2 runs compared: 1 of 2 did not hold" in page.text


def test_pictures_hold_every_run(runs):
    told = read(render_comparison(runs)).told
    (speed,) = [one for one in told if one.startswith("Speed against FP32, CPU, single-stream.")]
    assert "main, model.xml: 1.20× (1.10× to 1.30×); " in speed
    assert "change, model.xml: 0.40× (0.39× to 0.41×)" in speed
    assert any(one.startswith("Latencies, CPU, single-stream. main, model.xml") for one in told)
    assert any(one.startswith("Size against fidelity. main, model.xml") for one in told)


def test_a_machine_is_told_the_same(runs):
    rows = comparison.as_json(runs)
    (size,) = [r for r in rows if (r["about"], r["figure"]) == ("model.xml", "size")]
    assert size["runs"]["change"][1] == "2.00×"
