"""Claims about how fast INT8 runs: against NNCF's, and against the best that there is for a model.

All contenders are measured in turn in one process, on one thread. The seconds that each gets come
from OPTKIT_BENCH_SECONDS, where it is set.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from peers import full, full_onnx, inputs_of, live, nncf_ways, onnxruntime_qdq, saved
from quantizing import applied
from timing import SECONDS
from torch import nn

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings
from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import from_flags

pytestmark = pytest.mark.bench

NETWORKS = ("resnet", "mobilenet", "vit", "bert")
SLOWER = 0.98
FEW = 4
"""Samples to quantize with: speed does not hang on the ranges."""

ONE_THREAD = Settings(threads=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_as_fast_as_nncfs(table, tmp_path, name) -> None:
    """The INT8 model runs at least 0.98x as fast, with as many operations in INT8."""
    from optkit.runtimes.openvino import open_session

    plain, samples = full(name, tmp_path)
    few = samples.part(0, FEW)
    ours, _ = applied("quantize_int8", plain, tmp_path, few, effort="fast")
    theirs = saved(nncf_ways(name, live(plain), few)["default"](), tmp_path)
    executed = [open_session(model, Settings()).executed() for model in (ours, theirs)]
    rows = measured(name, 1, {"nncf": (theirs, "openvino"), "optkit": (ours, "openvino")}, tmp_path)
    ratio = compare(rows["optkit"], rows["nncf"])
    table(
        f"{name}: speed of the INT8 model, one thread, interleaved",
        [("against NNCF's (interval not below 0.98)", told(ratio)),
         ("executed, optkit", str(executed[0])), ("executed, NNCF", str(executed[1]))],
    )  # fmt: skip
    assert executed[0].get("int8") == executed[1].get("int8")
    assert ratio["ci95"][1] >= SLOWER


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_speed_of_the_result(table, tmp_path, name, batch) -> None:
    """No contender is faster: OpenVINO in FP32 and BF16, NNCF's INT8, ONNX Runtime's QDQ.

    What is not in INT8 runs in FP32, or in BF16, which is the user's choice: who runs it in BF16 is
    held against optkit's model that does so too.
    """
    plain, samples = full(name, tmp_path, batch)
    few = samples.part(0, FEW)
    ours, _ = applied("quantize_int8", plain, tmp_path, few, effort="fast")
    performance = saved(nncf_ways(name, live(plain), few)["performance"](), tmp_path)
    source = full_onnx(name, tmp_path, batch)
    qdq = onnxruntime_qdq(source, list(few), tmp_path / "qdq.onnx")
    chosen = {
        "optkit INT8": (ours, "openvino"),
        "OpenVINO FP32": (plain, "openvino"),
        "NNCF INT8, performance": (performance, "openvino"),
        "ONNX Runtime QDQ": (models.artifact("onnx", qdq), "onnxruntime"),
        "ONNX Runtime FP32": (models.artifact("onnx", source), "onnxruntime"),
    }
    half = {}
    if has_bf16():
        half = {
            "OpenVINO BF16": plain,
            "NNCF INT8, BF16 rest": performance,
            "optkit INT8, BF16 rest": ours,
        }
    rows = measured(name, batch, chosen, tmp_path, half)
    ratios = {
        word: compare(rows["optkit INT8, BF16 rest" if word in half else "optkit INT8"], row)
        for word, row in rows.items() if not word.startswith("optkit")
    }  # fmt: skip
    lines = [(f"against {word}", told(ratio)) for word, ratio in ratios.items()]
    lines += [] if half else [("against BF16", "left out: this processor has none")]
    table(f"{name}, batch {batch}: times as fast, one thread (not wholly below {SLOWER})", lines)
    for word, ratio in ratios.items():
        assert ratio["ci95"][1] >= SLOWER, word


class Bells(nn.Module):
    """Depthwise products with a bell curve behind each: (N, 3, H, W) -> (N, 8, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.rest = nn.ModuleList(nn.Conv2d(8, 8, 1, groups=8) for _ in range(6))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first(image)
        for layer in self.rest:
            x = torch.exp(-layer(x).square())
        return x


def test_a_network_that_loses_is_told_why(table, tmp_path) -> None:
    """To round a large map for a layer of little work takes longer than the layer."""
    path = tmp_path / "bells.pt"
    torch.manual_seed(0)
    torch.jit.trace(Bells().eval(), torch.randn(1, 3, 256, 256)).save(str(path))
    flags = {"optkit": 1, "model": {"path": str(path)}, "to": "ir", "precision": "int8"}
    recipe = from_flags({**flags, "benchmark": {"seconds": SECONDS, "threads": 1}})
    *_, row = run(recipe, tmp_path / "out", Wishes(cache=False)).manifest["benchmark"]
    lost = row["slower"]["operations"]
    table(
        "a network that loses by INT8, one thread",
        [("against FP32", told(row["speedup"])), ("said to be slower than", row["slower"]["than"])]
        + [(f"{one['name']} (ms)", one["ms"]) for one in lost],
    )  # fmt: skip
    assert row["speedup"]["verdict"] == "slower"
    assert row["slower"]["than"] in {"fp32", "fp32 in bf16"}
    assert any("fake_quantize" in one["name"] for one in lost)


def has_bf16() -> bool:
    """Whether the processor computes in BF16; OpenVINO would turn to FP32 without a word."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def told(ratio: Any) -> str:
    low, high = ratio["ci95"]
    return f"{ratio['value']:.3f} [{low:.3f}, {high:.3f}]"


def measured(
    name: str,
    batch: int,
    chosen: dict[str, tuple[Artifact, str]],
    folder: Path,
    half: dict[str, Artifact] | None = None,
) -> dict[str, Any]:
    """The rows of all contenders by name; those of `half` run in BF16 where not in INT8."""
    (sample,) = inputs_of(name, 1, batch)
    inputs = write_inputs(folder / "inputs.npz", sample)
    contenders = [
        Contender(word, model, runtime, ONE_THREAD, inputs)
        for word, (model, runtime) in chosen.items()
    ]
    contenders += [
        Contender(word, model, "openvino", replace(ONE_THREAD, infer_precision="bf16"), inputs)
        for word, model in (half or {}).items()
    ]
    rows = measure(Plan(tuple(contenders), seconds=SECONDS))
    return {one.name: row for one, row in zip(contenders, rows, strict=True)}
