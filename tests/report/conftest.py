"""One real run that is reported on, and how it would look had it ended otherwise."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from hostile import NAME

import optkit
from optkit.engine.run import Result


@pytest.fixture(scope="session")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two results with a task metric, timed for a moment."""
    folder = tmp_path_factory.mktemp("timed")
    models.traced(models.ConvNet, folder / "net.pt")
    random = np.random.default_rng(0)
    images = random.standard_normal((20, 3, 8, 8)).astype("float32")
    np.savez(folder / "data.npz", image=images, label=random.integers(0, 5, 20))
    (folder / "recipe.yaml").write_text(
        "optkit: 1\nmodel: {path: net.pt}\nto: [ir, onnx]\nprecision: fp16\n"
        "data: {validation: {path: data.npz, labels: label}}\nbenchmark: {seconds: 0.2}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        return optkit.run(folder / "recipe.yaml", output=folder / "out")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One result without data, labels or timing, of a model in a file with an odd name."""
    folder = tmp_path_factory.mktemp("plain")
    model = models.onnx_file(models.ConvNet, folder / "net<b>.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        return optkit.convert(model, "ir", output=folder / "out", benchmark=False)


@pytest.fixture
def manifest(timed: Result) -> dict[str, Any]:
    """The run's manifest, to be changed at will."""
    return copy.deepcopy(timed.manifest)


@pytest.fixture
def missed(manifest: dict[str, Any]) -> dict[str, Any]:
    """A run that missed its first gate, and could not tell its last for noise."""
    manifest["status"] = "gated"
    manifest["gates"][0].update(
        name="size_ratio", bound="<= 0.3", value=0.52, held=False, verdict="missed"
    )
    manifest["gates"][-1].update(
        name="speedup", bound=">= 1.5", value=1.48, held=True, verdict="too noisy"
    )
    return manifest


@pytest.fixture
def failed(manifest: dict[str, Any]) -> dict[str, Any]:
    """A run whose second step failed, as the engine tells it."""
    for part in ("artifacts", "validation", "benchmark", "gates"):
        manifest[part] = []
    manifest["steps"] = manifest["steps"][:1]
    manifest["status"] = "failed"
    manifest["error"] = {
        "message": "step 'emit_ir' failed: no such <operation>", "hint": "leave it | out",
        "exit": 1, "step": "emit_ir",
    }  # fmt: skip
    return manifest


@pytest.fixture
def hostile(missed: dict[str, Any]) -> dict[str, Any]:
    """Every name that a model or a recipe decides, chosen to do harm."""
    missed["model"]["path"] = NAME
    for row in missed["artifacts"]:
        row["path"] += NAME
        row["precision"]["by_operation"] = {NAME: {"fp16": 1}}
    for row in (*missed["validation"], *missed["benchmark"], *missed["gates"]):
        row["artifact"] += NAME
    for proof in missed["validation"]:
        proof["outputs"][0]["name"] = NAME
        proof["data"] = NAME
    for step in missed["steps"]:
        step["reason"] = NAME
        step["details"] = {"sensitivity": {NAME: [{"ratio": 0.5, "drop": 0.1}]}, "measure": NAME,
                           "samples": 6, NAME: NAME}  # fmt: skip
    missed["data"]["warnings"] = [NAME]
    missed["environment"]["cpu"] = NAME
    return missed


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, dict[str, Any]], Path]:
    """Writes a manifest into a folder of that name."""
    from optkit.core.writing import to_json

    def write(name: str, manifest: dict[str, Any]) -> Path:
        place = tmp_path / name
        place.mkdir()
        (place / "optkit.json").write_text(to_json(manifest), encoding="utf-8")
        return place

    return write
