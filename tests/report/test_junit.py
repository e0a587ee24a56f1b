"""JUnit XML: each step and each gate a test case."""

from xml.etree import ElementTree as ET

import pytest
from hostile import NAME

from optkit.core.errors import bad_input
from optkit.report.junit import render_runs

# What readers of the form know of each element: attributes that must be there, those that may be,
# and the elements within (the Jenkins schema and its like).
FORM = {
    "testsuites": ({"name", "tests", "failures"}, {"errors", "skipped", "time"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, set(),
                  {"properties", "testcase"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name", "classname", "time"}, set(),
                 {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set(), set()),
    "error": ({"message", "type"}, set(), set()),
    "skipped": ({"message"}, set(), set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def parsed(*runs):
    root = ET.fromstring(render_runs(runs).encode("utf-8"))
    for element in root.iter():
        must, may, inner = FORM[element.tag]
        assert must <= {*element.attrib} <= must | may, element.tag
        assert {child.tag for child in element} <= inner
    for group in [root, *root]:
        cases = list(group.iter("testcase"))
        assert int(group.get("tests")) == len(cases)
        for word, count in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(group.get(word)) == sum(case.find(count) is not None for case in cases)
        total = sum(float(case.get("time")) for case in cases)
        assert float(group.get("time")) == pytest.approx(total, abs=0.01)
    return root


def outcomes(root):
    return {
        case.get("name"): next((one.tag for one in case if one.tag != "system-out"), "passed")
        for case in root.iter("testcase")
    }


def test_each_step_and_each_gate_is_a_case(timed):
    (suite,) = parsed(("recipe.yaml", timed.manifest))
    steps = [one.get("name") for one in suite.iter("testcase")
             if one.get("classname") == "recipe.yaml.step"]  # fmt: skip
    assert steps == [f"{at}. {one['pass']}" for at, one in enumerate(timed.manifest["steps"], 1)]
    gates = [one.get("name") for one in suite.iter("testcase")
             if one.get("classname") == "recipe.yaml.gate"]  # fmt: skip
    assert gates == [f"{one['artifact']}: {one['name']}" for one in timed.manifest["gates"]]
    assert {*outcomes(suite).values()} == {"passed"}


def test_a_missed_gate_fails_and_a_noisy_one_is_skipped(missed):
    root = parsed(("r", missed))
    first, last = missed["gates"][0], missed["gates"][-1]
    found = outcomes(root)
    assert found[f"{first['artifact']}: size_ratio"] == "failure"
    assert found[f"{last['artifact']}: speedup"] == "skipped"
    (failure,) = root.iter("failure")
    assert failure.get("message") == "missed: size_ratio of model.xml: 0.52, bound <= 0.3"
    (skipped,) = root.iter("skipped")
    assert skipped.get("message").startswith("too noisy: speedup of model.onnx: 1.48")


def test_the_step_that_failed_is_the_failure(failed):
    root = parsed(("r", failed))
    assert outcomes(root) == {f"1. {failed['steps'][0]['pass']}": "passed", "2. emit_ir": "failure"}
    (failure,) = root.iter("failure")
    assert failure.get("message") == "step 'emit_ir' failed: no such <operation>"
    assert failure.text.endswith("fix: leave it | out")


def test_a_run_that_came_to_nothing_is_an_error_beside_the_others(timed):
    root = parsed(
        ("a", timed.manifest), ("b", bad_input("no model", "name one")), ("c", KeyError(3))
    )
    assert [suite.get("errors") for suite in root] == ["0", "1", "1"]
    assert [one.get("message") for one in root.iter("error")] == ["no model", "KeyError: 3"]


def test_no_name_makes_it_unreadable(hostile):
    root = parsed((NAME, hostile))
    told = root[0].get("name")
    assert "<script>" in told
    assert "\ufffd" in told
