"""Baselines, locks and checks from the command line: what is written, told, and how it ends."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Optkit = Callable[..., Any]


@pytest.fixture
def recipe(shelf: Path, place: Path) -> Path:
    shutil.copy(shelf / "traced.pt", place / "net.pt")
    path = place / "recipe.yaml"
    path.write_text(
        "optkit: 1\nmodel: {path: net.pt}\nto: ir\nbenchmark: false\nbaseline: baseline.json\n"
        "gates:\n  size_bytes: {max_increase: 5%}\n"
    )
    return path


def document(optkit: Optkit, *arguments: object, code: int = 0) -> Any:
    """The one JSON document on standard output."""
    ended = optkit(*arguments, "--json")
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def test_from_the_first_run_to_the_next_baseline(optkit: Optkit, recipe: Path) -> None:
    ended = optkit("run", "recipe.yaml")
    assert ended.code == 2
    assert "fix: write it from a run that is good: optkit baseline update" in ended.err
    ended = optkit("baseline", "update", "recipe.yaml")
    assert ended.code == 0, ended.err
    assert ended.out.rstrip().endswith("figures")
    assert optkit("run", "recipe.yaml", "-q").code == 0
    ended = optkit("baseline", "update", "net-optkit")
    assert ended.out.rstrip().endswith("baseline.json: as it was")
    # a baseline that was half as large is missed, one twice as large is to be raised
    path = Path("baseline.json")
    content = json.loads(path.read_text())
    figures = content["artifacts"]["ir"]["figures"]
    true = figures["size_bytes"]
    figures["size_bytes"] = true // 2
    path.write_text(json.dumps(content))
    ended = optkit("run", "recipe.yaml", "-q")
    assert ended.code == 3
    assert "model.xml: gate size_bytes missed" in ended.err
    figures["size_bytes"] = 2 * true
    path.write_text(json.dumps(content))
    ended = optkit("run", "recipe.yaml")
    assert ended.code == 0
    assert "raise it with optkit baseline update" in ended.out
    found = document(optkit, "baseline", "update", "recipe.yaml")
    (changed,) = [row for row in found["changes"] if row["before"] != row["after"]]
    assert (changed["name"], changed["before"], changed["after"]) == ("size_bytes", 2 * true, true)


def test_show(optkit: Optkit, recipe: Path) -> None:
    optkit("baseline", "update", "recipe.yaml")
    assert "size_bytes" in optkit("baseline", "show").out
    found = document(optkit, "baseline", "show", "baseline.json")
    assert found["schema"] == "optkit/baseline/1"
    assert found["elsewhere"] is None
    content = json.loads(Path("baseline.json").read_text())
    content["machine"]["cores"] = 999
    Path("other.json").write_text(json.dumps(content))
    shown = optkit("baseline", "show", "other.json").out
    assert "another machine (cores: 999)" in shown


def test_the_command_names_another_baseline(optkit: Optkit, recipe: Path) -> None:
    optkit("baseline", "update", "recipe.yaml", "-o", "kept.json")
    assert not Path("baseline.json").exists()
    found = document(optkit, "run", "recipe.yaml", "--baseline", "kept.json")
    (row,) = [row for row in found["gates"] if row["name"] == "size_bytes"]
    assert row["verdict"] == "held"
    assert row["change"]["value"] == 1


def test_bad_baselines(refused: Any, recipe: Path, place: Path) -> None:
    (place / "broken.json").write_text("{")
    refused(
        "run", "recipe.yaml", "--baseline", "broken.json",
        cause="broken.json:1:2: the baseline is no JSON: Expecting property name enclosed in "
        "double quotes",
        fix="restore it from version control, or write it anew: optkit baseline update RECIPE -o "
        "broken.json --force",
    )  # fmt: skip
    (place / "old.json").write_text('{"schema": "optkit/baseline/0"}')
    refused(
        "run", "recipe.yaml", "--baseline", "old.json",
        cause="the baseline old.json has the schema 'optkit/baseline/0', this optkit reads "
        "'optkit/baseline/1'",
        fix="write it anew: optkit baseline update RECIPE -o old.json --force",
    )  # fmt: skip
    refused(
        "baseline", "update", "nothing", "-o", "x/y.json",
        cause="cannot write x/y.json: no such folder", fix="name another file",
    )  # fmt: skip


def test_a_baseline_of_another_model(optkit: Optkit, refused: Any, recipe: Path) -> None:
    optkit("baseline", "update", "recipe.yaml")
    shutil.copy("net.pt", "other.pt")
    refused(
        "run", "recipe.yaml", "--set", "model.path=other.pt",
        cause="the baseline baseline.json is of another model: name net, here other",
        fix="name this model's own, or write it: optkit baseline update RECIPE -o FILE",
    )  # fmt: skip


def test_lint_knows_changes_that_cannot_be_told(optkit: Optkit, recipe: Path) -> None:
    text = recipe.read_text()
    for gate, told in (
        ("speedup_vs_baseline: {max_decrease: 5%}", "is a change already"),
        ("steps/emit_ir/seconds: {max_increase: 5%}", "those of two runs cannot be compared"),
        ("size_ratio: {max_increase: 5 percent}", "a change must be a number from 0 on"),
        ("size_ratio: {max_increase: -1}", "a change must be a number from 0 on"),
        ("nowhere/seconds: {max: 5}", "unknown figure 'nowhere/seconds' of the manifest"),
    ):
        recipe.write_text(text + f"  {gate}\n")
        ended = optkit("lint", "recipe.yaml")
        assert ended.code == 2
        assert f"recipe.yaml:8:{'' if 'size' in gate else '3:'}" in ended.err
        assert told in ended.err


def test_a_run_that_is_locked(optkit: Optkit, recipe: Path) -> None:
    optkit("baseline", "update", "recipe.yaml")
    ended = optkit("run", "recipe.yaml", "--locked")
    assert ended.code == 2
    assert "there is no lock: neither optkit.lock nor net-optkit/optkit.lock" in ended.err
    assert optkit("run", "recipe.yaml", "-q").code == 0
    assert optkit("run", "recipe.yaml", "-q", "--locked").code == 0
    shutil.copy("net-optkit/optkit.lock", "kept.lock")
    for way in (["--locked", "kept.lock"], ["--locked=kept.lock"], ["--lock", "kept.lock"]):
        assert optkit("run", "recipe.yaml", "-q", *way).code == 0
    found = document(optkit, "run", "recipe.yaml", "--locked", "--set", "seed=4", code=2)
    assert "seed: 0 → 4" in found["error"]["message"]


def test_verify(optkit: Optkit, refused: Any, recipe: Path, place: Path) -> None:
    optkit("baseline", "update", "recipe.yaml")
    optkit("run", "recipe.yaml", "-q")
    ended = optkit("verify", "net-optkit")
    assert ended.code == 0, ended.err
    assert ended.out.rstrip().endswith("ok  net-optkit/")
    assert document(optkit, "verify", "net-optkit")["verify"]["status"] == "ok"
    with Path("net-optkit/model.bin").open("ab") as file:
        file.write(b"x")
    ended = optkit("verify", "net-optkit", "-q")
    assert (ended.code, ended.out) == (3, "")
    assert "model.bin: files does not hold: was changed" in ended.err
    found = document(optkit, "verify", "net-optkit", code=3)
    assert [row["subject"] for row in found["verify"]["checks"] if not row["held"]] == ["model.bin"]
    (place / "empty").mkdir()
    refused(
        "verify", "empty",
        cause="empty is no output folder: it holds no optkit.json",
        fix="name a folder that optkit run or optkit convert wrote",
    )  # fmt: skip
