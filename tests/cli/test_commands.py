"""Every command does its plain work, for people and for machines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optkit import __version__

Optkit = Callable[..., Any]


@pytest.fixture
def recipe(shelf: Path, place: Path) -> Path:
    path = place / "recipe.yaml"
    path.write_text(
        f"optkit: 1\noutside: {shelf}\nmodel: {{path: {shelf / 'traced.pt'}}}\n"
        "to: ir\nprecision: int8\n"
        f"data:\n  calibration: {{path: {shelf / 'data.npz'}, labels: label}}\nbenchmark: false\n"
    )
    return path


def document(optkit: Optkit, *arguments: object, code: int = 0) -> Any:
    """The one JSON document on standard output."""
    ended = optkit(*arguments, "--json")
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def test_run(optkit: Optkit, recipe: Path) -> None:
    ended = optkit("run", "recipe.yaml", "-o", "out")
    assert ended.code == 0, ended.err
    assert ended.out.rstrip().endswith("ok  out/: model.xml")
    manifest = document(optkit, "run", "recipe.yaml", "-o", "out")
    assert manifest == json.loads(Path("out/optkit.json").read_text())
    assert [step["pass"] for step in manifest["steps"]] == ["emit_ir", "quantize_int8"]
    assert manifest["validation"][0]["metric"]["name"] == "accuracy"
    assert optkit("run", "recipe.yaml", "-o", "out", "-q").out == ""
    # the resolved recipe does the same
    again = document(optkit, "run", "out/recipe.yaml", "-o", "again", "--set", "benchmark=false")
    assert again["artifacts"] == manifest["artifacts"]


def test_plan(optkit: Optkit, recipe: Path) -> None:
    assert "emit_ir" in optkit("plan", "recipe.yaml").out
    found = document(optkit, "plan", "recipe.yaml", "--set", "precision=fp32")
    assert found["format"] == "torchscript"
    (target,) = found["targets"]
    assert (target["format"], target["precision"]) == ("ir", "fp32")
    assert [step["pass"] for step in target["routes"][0]] == ["emit_ir"]


def test_dry_run_saves_a_recipe_that_lints(optkit: Optkit, shelf: Path, place: Path) -> None:
    ended = optkit(
        "convert", shelf / "traced.pt", "--to", "ir", "--dry-run", "--save-recipe", "new.yaml"
    )
    assert ended.code == 0
    assert {path.name for path in place.iterdir()} == {"new.yaml"}
    assert optkit("lint", "new.yaml").out == "1 recipe checked: no mistakes\n"


def test_lint(optkit: Optkit, recipe: Path) -> None:
    assert optkit("lint", "recipe.yaml").code == 0
    assert document(optkit, "lint", "recipe.yaml") == {"problems": []}
    Path("bad.yaml").write_text("optkit: 1\nmodel: {path: m.pt}\nto: irr\n")
    ended = optkit("lint", "recipe.yaml", "bad.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == ("bad.yaml:3:5: unknown format 'irr'\n  fix: did you mean 'ir'?\n")
    found = document(optkit, "lint", "bad.yaml", code=2)
    assert found == {
        "problems": [
            {
                "path": "bad.yaml",
                "line": 3,
                "column": 5,
                "message": "unknown format 'irr'",
                "hint": "did you mean 'ir'?",
            }
        ]
    }


@pytest.mark.parametrize("name", ["traced.pt", "exported.pt2", "model.onnx", "model.xml"])
def test_inspect(optkit: Optkit, shelf: Path, name: str) -> None:
    assert "image=" in optkit("inspect", shelf / name).out
    found = document(optkit, "inspect", shelf / name)
    assert found["inputs"][0]["name"] == "image"
    assert found["bytes"] > 0
    assert sum(found["precision"].values()) == 2  # one convolution, one linear layer


def test_validate(optkit: Optkit, shelf: Path) -> None:
    command = ("validate", shelf / "model.onnx", "--reference", shelf / "traced.pt")
    assert "cosine" in optkit(*command).out
    found = document(optkit, *command, "--data", shelf / "data.npz", "--labels", "label")
    assert found["status"] == "ok"
    assert found["validation"][0]["metric"]["drop"] == 0
    assert found["validation"][0]["data"] == "given"
    missed = document(optkit, *command, "--gate", "cosine>=2", code=3)
    assert missed["status"] == "gated"


def test_blame(optkit: Optkit, shelf: Path) -> None:
    command = ("blame", shelf / "traced.pt", shelf / "model.onnx")
    told = optkit(*command, "--top", "2").out
    assert "no tensor falls below cosine 0.9999" in told
    assert "in the source norm" in told
    found = document(optkit, *command, "--data", shelf / "data.npz", "--samples", "2")
    assert (found["samples"], found["data"]) == (2, "given")
    assert {row["layer"] for row in found["tensors"]} >= {"classify"}
    assert all(row["cosine"] > 0.9999 for row in found["tensors"])
    assert found["first"] is None
    assert not optkit(*command, "-q").out
    strict = document(optkit, *command, "--min-cosine", "1.0")
    assert strict["bound"] == {"cosine": 1}


def test_blame_of_a_run(optkit: Optkit, shelf: Path, recipe: Path) -> None:
    assert optkit("run", recipe, "-q").code == 0
    found = document(optkit, "blame", shelf / "traced.pt", "traced-optkit")
    assert [row["pass"] for row in found["steps"]] == ["emit_ir", "quantize_int8"]
    assert "step quantize_int8 brings most of the loss" in found["verdict"]
    assert "quantize_int8" in optkit("blame", shelf / "traced.pt", recipe).out


def test_bench(optkit: Optkit, shelf: Path) -> None:
    models = (shelf / "traced.pt", shelf / "model.xml")
    found = document(optkit, "bench", *models, "--seconds", "0.1", "--input", "image=2,3,8,8")
    first, second = found["benchmark"]
    assert (first["artifact"], first["runtime"], first["speedup"]) == ("traced.pt", "torch", None)
    assert (second["artifact"], second["runtime"]) == ("model.xml", "openvino")
    assert second["speedup"]["value"] > 0
    assert first["latency_ms"]["p50"] > 0


def test_passes(optkit: Optkit) -> None:
    assert "quantize_int8" in optkit("passes").out
    assert "preset" in optkit("passes", "quantize_int8").out
    found = document(optkit, "passes", "emit_ir")
    assert [item["name"] for item in found["passes"]] == ["emit_ir"]
    assert found["passes"][0]["gives"] == "ir"


def test_cache(
    optkit: Optkit, shelf: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    store = tmp_path_factory.mktemp("fresh")
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(store))
    empty = document(optkit, "cache", "info")
    assert (empty["steps"], empty["bytes"], empty["path"]) == (0, 0, str(store))
    assert optkit("convert", shelf / "traced.pt", "--to", "ir", "--no-benchmark").code == 0
    full = document(optkit, "cache", "info")
    assert full["steps"] == 2  # the IR, and what `optkit verify` is to see
    assert str(store) in optkit("cache", "info").out
    assert document(optkit, "cache", "prune") == {"freed": 0}
    assert optkit("cache", "prune", "--to", "1G").out == "0 B set free\n"
    assert document(optkit, "cache", "clear") == {"freed": full["bytes"]}
    assert document(optkit, "cache", "info")["bytes"] == 0


def test_a_store_that_cannot_be(
    refused: Callable[..., None], shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", "/dev/null/store")
    for command in (("convert", shelf / "traced.pt", "--to", "ir"), ("cache", "clear")):
        refused(
            *command, cause="cannot write to the store /dev/null/store: Not a directory",
            fix="set OPTKIT_CACHE_DIR to a folder that you may write to, or add --no-cache",
        )  # fmt: skip


def test_doctor(optkit: Optkit) -> None:
    assert "openvino" in optkit("doctor").out
    found = document(optkit, "doctor")
    assert found["healthy"] is True
    named = {check["name"]: check["found"] for check in found["checks"]}
    assert named["optkit"] == __version__
    assert "devices of openvino" in named


def test_version_and_help(optkit: Optkit) -> None:
    assert optkit("--version").out == f"optkit {__version__}\n"
    assert "convert" in optkit("--help").out


@pytest.mark.parametrize(
    "command",
    [
        ("convert", "gone.pt", "--to", "ir"),
        ("inspect", "gone.pt"),
        ("bench", "gone.pt"),
        ("validate", "gone.pt", "--reference", "gone.pt"),
        ("blame", "gone.pt", "gone.pt"),
        ("blame", "gone.pt", "gone.yaml"),
        ("run", "gone.yaml"),
        ("plan", "gone.yaml"),
        ("lint", "gone.yaml"),
        ("passes", "gone"),
        ("cache", "prune", "--to", "much"),
        ("gone",),
        ("inspect", "--gone"),
    ],
    ids=" ".join,
)
def test_an_error_is_one_document_too(optkit: Optkit, command: tuple[str, ...]) -> None:
    ended = optkit(*command, "--json")
    error = json.loads(ended.out)["error"]
    assert set(error) == {"message", "hint", "exit"}
    assert (ended.code, error["exit"]) == (2, 2)
    assert error["message"]
    assert error["hint"]
    assert ended.err == ""


def test_validate_refuses_models_of_other_sizes(
    refused: Callable[..., None], shelf: Path, optkit: Optkit
) -> None:
    refused(
        "validate", shelf / "model.onnx", "--reference", shelf / "traced.pt",
        "--input", "image=2,3,9,9",
        cause="model.onnx refuses its input (image [2, 3, 9, 9] float32): …",
        fix="declare what it takes, for example: --input image=2,3,8,8:float32",
    )  # fmt: skip


def test_quiet_means_errors_only(optkit: Optkit, shelf: Path, recipe: Path) -> None:
    for command in (("inspect", shelf / "model.onnx"), ("plan", recipe), ("passes",), ("doctor",)):
        assert not optkit(*command, "-q").out, command


def test_a_saved_recipe_spares_the_model(refused: Callable[..., None], shelf: Path) -> None:
    Path("net.pt").write_bytes((shelf / "traced.pt").read_bytes())
    refused(
        "convert", "net.pt", "--to", "ir", "--dry-run", "--save-recipe", "net.pt",
        cause="the recipe would overwrite net.pt, which it names", fix="name another file",
    )  # fmt: skip


def test_inspect_weights_without_a_network(optkit: Optkit, place: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), "weights.pt")
    ended = optkit("inspect", "weights.pt", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["parameters"] == 16


def test_bench_on_given_data(optkit: Optkit, refused: Callable[..., None], shelf: Path) -> None:
    np.savez("samples.npz", image=np.ones((4, 3, 8, 8), "float32"))
    model = shelf / "model.onnx"
    ended = optkit("bench", model, "--data", "samples.npz", "--seconds", 0.2, "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["benchmark"][0]["speedup"] is None


def test_a_scenario_that_is_not_there_is_told_before_any_step(
    refused: Callable[..., None], recipe: Path
) -> None:
    refused(
        "run", recipe, "--set", "benchmark={scenarios: [burst]}",
        cause="--set benchmark={scenarios: [burst]}: 'benchmark.scenarios[0]' cannot be 'burst'",
        fix="one of multi-stream, offline, server, single-stream",
    )  # fmt: skip


@pytest.mark.parametrize("device", ["GPU", "HETERO:GPU,CPU"])
def test_a_device_that_is_not_there_is_told_before_any_step(
    refused: Callable[..., None], recipe: Path, device: str
) -> None:
    within = f", named in '{device}'" if ":" in device else ""
    refused(
        "run", recipe, "--set", f"benchmark={{devices: ['{device}']}}",
        cause=f"OpenVINO has no device 'GPU' here{within}", fix="one of CPU…",
    )  # fmt: skip
