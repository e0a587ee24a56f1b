"""Every ready recipe can be planned from every source, and does its work on a small model."""

import json
import shutil
from pathlib import Path

import pytest

from optkit.cli.main import run_command
from optkit.planner import make_plan
from optkit.recipe.load import load_recipe

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
EXAMPLE = ROOT / "examples" / "01_digits"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("source", ["torchscript", "exported", "onnx", "module"])
def test_it_can_be_planned(path: Path, source: str) -> None:
    loaded = load_recipe(path)
    (target,) = make_plan(loaded, source).targets
    assert target.routes
    assert target.format == loaded.recipe.to[0]


@pytest.mark.parametrize(
    "name", ["cnn-int8", "fp16-onnx", pytest.param("prune-int8", marks=pytest.mark.slow)]
)
def test_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "recipes" / f"{name}.yaml", "recipe.yaml")
    shutil.copy(EXAMPLE / "digits.pt", "model.pt")
    for data in ("calibration.npz", "validation.npz"):
        shutil.copy(EXAMPLE / data, data)
    # Speed is a matter of the machine; size and fidelity are not.
    gate = {"cnn-int8": "speedup", "prune-int8": "speedup_vs_source"}.get(name)
    unbound = ["--set", f"gates.{gate}.min=0.01"] if gate else []
    timing = [] if gate else ["--set", "benchmark=false"]
    assert run_command(["run", "recipe.yaml", "-o", "out", "-q", *unbound, *timing]) == 0
    manifest = json.loads(Path("out/optkit.json").read_text())
    assert manifest["status"] == "ok"
    assert {row["name"] for row in manifest["gates"]} >= {"outputs", "precision", "cosine"}
