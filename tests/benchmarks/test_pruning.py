"""Claims: what pruning saves, what it costs once recovered, and how much faster it runs.

Pairs of models are measured in turn in one process, on one thread. The seconds that each model gets
come from OPTKIT_BENCH_SECONDS, where it is set; the seeds from OPTKIT_BENCH_SEEDS, three.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pruned_nets
import pytest
import stepping
import torch
from pruned_nets import accuracy, digits, larger, trained
from stepping import answers, image_face, images, step, written

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings

pytestmark = pytest.mark.bench

SECONDS = float(os.environ.get("OPTKIT_BENCH_SECONDS", "3"))
SEEDS = range(int(os.environ.get("OPTKIT_BENCH_SEEDS", "3")))
NETS = {"plain": pruned_nets.Plain, "residual": pruned_nets.Residual,
        "transformer": pruned_nets.Attentive}  # fmt: skip
LEFT = {"plain": 0.3, "residual": 0.4, "transformer": 0.4}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NETS)
def test_accuracy_comes_back_without_labels(table, tmp_path, name) -> None:
    """At least 60 % of the multiply-adds gone, at most 0.01 lost, in at most 60 s."""
    train, judged, _, _ = (part.numpy() for part in digits())
    rows, drops, seconds = [], [], []
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        network = trained(NETS[name], seed, 20)
        source = written(network, "torchscript", image_face((1, 1, 8, 8)), folder)
        pruned, outcome = step(source, "prune", folder, samples=images(train), flops=LEFT[name])
        began = time.perf_counter()
        mended, done = step(pruned, "recover", folder, samples=images(train), source=source,
                            epochs=30, seconds=55)  # fmt: skip
        seconds.append(time.perf_counter() - began)
        figures = [accuracy(answers(model, judged)) for model in (source, pruned, mended)]
        drops.append(figures[0] - figures[2])
        macs = outcome.details["multiply_adds"]
        share = macs["after"] / macs["before"]
        assert share <= 0.4
        text = (
            f"{1 - share:.0%} gone; accuracy {figures[0]:.4f}, pruned {figures[1]:.4f}, "
            f"recovered {figures[2]:.4f} in {seconds[-1]:.0f} s ({done.details['steps']} steps)"
        )
        rows.append((f"seed {seed}", text))
    rows.append(("median drop (at most 0.01)", statistics.median(drops)))
    rows.append(("longest recovery, s (at most 60)", max(seconds)))
    table(f"digits, {name}, recovered without labels on {len(train)} images", rows)
    assert statistics.median(drops) <= 0.01
    assert max(seconds) <= 60


def test_a_wide_net_runs_faster(table, tmp_path) -> None:
    """OpenVINO FP32 at least 1.5x, pruned INT8 at least 1.3x over INT8; digits at 16 x 16."""
    train, judged = (larger(part, 16).numpy() for part in digits()[:2])
    rows, drops, gains = [], [], {"fp32": [], "int8": []}
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        network = trained(pruned_nets.Plain, seed, 10, size=16, channels=(64, 128, 128))
        source = written(network, "torchscript", image_face((1, 1, 16, 16)), folder)
        few = images(train[:300])
        pruned, outcome = step(source, "prune", folder, samples=few, flops=0.3, round_to=16)
        pruned, _ = step(pruned, "recover", folder, samples=images(train), source=source,
                         epochs=12)  # fmt: skip
        whole, cut = (_lowered(model, few, folder / name)
                      for name, model in (("whole", source), ("cut", pruned)))  # fmt: skip
        found = _speedups(whole, cut, {"image": train[:1]}, folder)
        lost = accuracy(answers(whole["fp32"], judged)) - accuracy(answers(cut["int8"], judged))
        drops.append(lost)
        for word, gain in found.items():
            gains[word].append(gain[0])
        macs = outcome.details["multiply_adds"]
        text = (
            f"{1 - macs['after'] / macs['before']:.0%} gone; FP32 {_told(found['fp32'])}, "
            f"INT8 {_told(found['int8'])}; accuracy lost to pruned INT8 {lost:.4f}"
        )
        rows.append((f"seed {seed}", text))
    medians = {word: statistics.median(values) for word, values in gains.items()}
    rows += [("FP32, median (at least 1.5)", medians["fp32"]),
             ("over INT8 alone, median (at least 1.3)", medians["int8"]),
             ("accuracy lost, median (at most 0.01)", statistics.median(drops))]  # fmt: skip
    table("a wide digits net, pruned, in OpenVINO: times faster [95 % interval], one thread", rows)
    assert medians["fp32"] >= 1.5
    assert medians["int8"] >= 1.3
    assert statistics.median(drops) <= 0.01


def test_resnet50(table, tmp_path) -> None:
    """At most 45 % of the multiply-adds left; every target agrees with torch; at least 1.8x."""
    network, (pixels,) = networks.resnet("full")
    flat = _Logits(network).eval()
    face = image_face(tuple(pixels.shape), 1000)
    source = written(flat, "exported", face, tmp_path)
    began = time.perf_counter()
    pruned, outcome = step(source, "prune", tmp_path, flops=0.45, round_to=16)
    seconds = time.perf_counter() - began
    macs = outcome.details["multiply_adds"]
    share = macs["after"] / macs["before"]
    arrays = {"image": pixels.numpy()}
    want = stepping.outputs(pruned, arrays)
    rows: list[tuple[str, Any]] = [
        ("multiply-adds left (at most 0.45)", share), ("prune, s", seconds),
        ("parameters left", _ratio(outcome.details["parameters"])),
    ]  # fmt: skip
    apart = {}
    for word, name in (("onnx", "export_onnx"), ("ir", "emit_ir")):
        model, _ = step(pruned, name, tmp_path)
        apart[word] = _apart(stepping.outputs(model, arrays), want)
        rows.append((f"{word}: relative difference (at most 1e-4)", f"{apart[word]:.1e}"))
    other = written(flat, "torchscript", face, tmp_path / "script")
    script, _ = step(other, "prune", tmp_path / "script", flops=0.45, round_to=16)
    apart["torchscript"] = _apart(stepping.outputs(script, arrays), want)
    rows.append(("torchscript: relative difference", f"{apart['torchscript']:.1e}"))
    samples = images(np.random.default_rng(0).standard_normal((16, *pixels.shape[1:]), "float32"))
    whole, cut = (_lowered(model, samples, tmp_path / name)
                  for name, model in (("whole", source), ("cut", pruned)))  # fmt: skip
    found = _speedups(whole, cut, arrays, tmp_path)
    rows += [(f"{word}, times faster (at least 1.8)", _told(found[word])) for word in found]
    table("ResNet-50, structured pruning, batch 1, one thread, OpenVINO", rows)
    assert share <= 0.45
    assert max(apart.values()) <= 1e-4
    assert all(gain[0] >= 1.8 for gain in found.values())


class _Logits(torch.nn.Module):
    """A classifier of `transformers` as a function of the image."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image).logits


def _lowered(model: Artifact, samples: Any, folder: Path) -> dict[str, Artifact]:
    """As IR, in FP32 and in INT8."""
    folder.mkdir()
    fp32, _ = step(model, "emit_ir", folder)
    int8, _ = step(fp32, "quantize_int8", folder, samples=samples, subset_size=len(samples))
    return {"fp32": fp32, "int8": int8}


def _speedups(
    before: dict[str, Artifact], after: dict[str, Artifact], arrays: dict[str, np.ndarray],
    folder: Path,
) -> dict[str, tuple[float, float, float]]:  # fmt: skip
    inputs = write_inputs(folder / "inputs.npz", arrays)
    found = {}
    for word in before:
        pair = tuple(
            Contender(f"{name} {word}", models[word], "openvino",
                      Settings(threads=1, infer_precision="f32"), inputs)
            for name, models in (("whole", before), ("cut", after))
        )  # fmt: skip
        whole, cut = measure(Plan(pair, seconds=SECONDS))
        ratio = compare(cut, whole)
        found[word] = (ratio["value"], *ratio["ci95"])
    return found


def _told(gain: tuple[float, float, float]) -> str:
    return f"{gain[0]:.2f} [{gain[1]:.2f}, {gain[2]:.2f}]"


def _ratio(figures: dict[str, int]) -> float:
    return figures["after"] / figures["before"]


def _apart(found: np.ndarray, want: np.ndarray) -> float:
    assert np.ptp(want) > 0
    return float(np.abs(found - want).max() / np.abs(want).max())
