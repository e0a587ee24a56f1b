"""optkit tune: a search for people and for machines, and the recipe that it leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Optkit = Callable[..., Any]

RECIPE = """optkit: 1
outside: {outside}
model: {{path: {model}}}
data: {{calibration: {{path: {data}, labels: label}}}}
to: ir
tune:
  variants: [onnx-fp32, ir-int8]
  settings: {{streams: 1, threads: 1, hint: [latency, throughput], infer_precision: f32}}
  constraints: {{accuracy_drop: {{max: 1}}}}
  seconds: 0.1
benchmark: {{seconds: 0.1}}
"""


@pytest.fixture
def recipe(shelf: Path, place: Path) -> Path:
    path = place / "recipe.yaml"
    path.write_text(
        RECIPE.format(outside=shelf, model=shelf / "traced.pt", data=shelf / "data.npz")
    )
    return path


def test_a_search_and_the_recipe_it_writes(optkit: Optkit, recipe: Path, place: Path) -> None:
    (place / "sub").mkdir()
    ended = optkit("tune", "recipe.yaml", "-o", "sub/best.yaml", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)["tune"]
    assert found["recipe"] == "sub/best.yaml"
    assert found["constraints"] == {"accuracy_drop": {"max": 1}}
    pick = next(row for row in found["candidates"] if row["name"] == found["pick"])
    assert pick["status"] == "picked"
    assert optkit("lint", "sub/best.yaml").code == 0
    ended = optkit("run", "sub/best.yaml", "-o", "out", "--json")
    assert ended.code == 0, ended.err
    manifest = json.loads(ended.out)
    row = manifest["benchmark"][-1]
    assert row["runtime"] == pick["runtime"]
    assert row["settings"]["threads"] == 1
    assert row["settings"]["hint"].lower() == pick["settings"]["hint"]
    assert manifest["artifacts"][0]["bytes"] == pick["size_bytes"]


def test_for_people(optkit: Optkit, recipe: Path, place: Path) -> None:
    ended = optkit("tune", "recipe.yaml", "--report", "front.html")
    assert ended.code == 0, ended.err
    page = (place / "front.html").read_text()
    assert "Time against size" in page
    assert "onnx-fp32" in page
    assert "latency, single-stream, accuracy_drop <= 1" in ended.out
    assert "picked" in ended.out
    assert "the fastest answer that keeps accuracy_drop <= 1: " in ended.out.replace("\n", " ")
    assert "written: recipe-tuned.yaml" in ended.out
    assert (place / "recipe-tuned.yaml").is_file()
    assert optkit("tune", "recipe.yaml", "-q").out == ""


def test_flags_come_before_the_section(optkit: Optkit, recipe: Path) -> None:
    ended = optkit(
        "tune", "recipe.yaml", "--objective", "throughput", "--seconds", "0.2", "--json",
        "--constraint", "accuracy_drop<=0.5", "--set", "tune.variants=[ir-int8]",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)["tune"]
    assert (found["objective"], found["scenario"]) == ("throughput", "offline")
    assert found["constraints"] == {"accuracy_drop": {"max": 0.5}}
    assert {row["variant"] for row in found["candidates"]} == {"ir-int8"}


def test_nothing_keeps_the_bound(optkit: Optkit, recipe: Path, place: Path) -> None:
    ended = optkit("tune", "recipe.yaml", "--constraint", "latency_p95_ms<=0.0001")
    assert ended.code == 3
    assert "nothing keeps accuracy_drop <= 1 and latency_p95_ms <= 0.0001; the closest is " in (
        " ".join(ended.out.split())
    )
    assert not (place / "recipe-tuned.yaml").exists()


@pytest.mark.parametrize(
    ("flag", "value", "cause", "fix"),
    [
        ("--objective", "speed",
         "--objective: there is no 'speed'", "one of latency, throughput"),
        ("--seconds", "0", "--seconds is 0", "give a number above 0"),
        ("--constraint", "latency_p95<=1",
         "unknown constraint 'latency_p95'", "did you mean 'latency_p95_ms'?"),
        ("--constraint", "cosine=1",
         "cannot read the constraint 'cosine=1'",
         "write it as 'latency_p95_ms<=10' or 'cosine>=0.99'"),
        ("-o", "recipe.yaml",
         "the result would overwrite recipe.yaml", "name another file with -o"),
        ("-o", "nowhere/best.yaml",
         "cannot write nowhere/best.yaml: no such folder", "name another file"),
    ],
)  # fmt: skip
def test_what_it_refuses(
    refused: Callable[..., None], recipe: Path, flag: str, value: str, cause: str, fix: str
) -> None:
    refused("tune", "recipe.yaml", flag, value, cause=cause, fix=fix)


@pytest.mark.parametrize(
    ("line", "cause", "fix"),
    [
        ("tune: {objectiv: latency}", "…", "did you mean 'objective'?"),
        ("tune: {objective: speed}", "…", "…"),
        ("tune: {variants: [ir-int9]}",
         "bad.yaml:4:19: unknown variant 'ir-int9'", "did you mean 'ir-int8'?"),
        ("tune: {constraints: {cosin: {min: 1}}}",
         "bad.yaml:4:22: unknown constraint 'cosin'", "did you mean 'cosine'?"),
        ("tune: {settings: {streams: 0}}", "…", "…"),
        ("tune: {seconds: -1}", "…", "…"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_section_is_told_with_its_place(
    optkit: Optkit, place: Path, line: str, cause: str, fix: str
) -> None:
    (place / "bad.yaml").write_text(f"optkit: 1\nmodel: {{path: m.pt}}\nto: ir\n{line}\n")
    ended = optkit("tune", "bad.yaml")
    assert (ended.code, ended.out) == (2, "")
    first, second = ended.err.splitlines()
    assert first.startswith("error: bad.yaml:4:")
    assert cause == "…" or first == f"error: {cause}"
    assert fix == "…" or second == f"  fix: {fix}"
