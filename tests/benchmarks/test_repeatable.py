"""Claim: a ratio repeats although other processes keep the cores busy in bursts.

Eight repeats of an FP32 / INT8 ratio vary by at most 2 % (coefficient of variation), and at least
five times less than medians measured one after the other under the same load; the interval holds
the quiet machine's ratio at least seven times. That one is taken before each repeat, as a shared
machine need not stay the same: what its own repeats vary by is told too. Models run on all cores,
as they do by default, so that each of their inferences waits for the busiest one.
"""

import statistics
from pathlib import Path
from typing import Any

import models
import networks
import numpy as np
import pytest
from measuring import passed
from timing import SECONDS, busy_in_bursts, measured

from optkit.benchmark.run import compare
from optkit.core.artifact import Artifact

pytestmark = pytest.mark.bench

REPEATS = 8


def quantized(artifact: Artifact, path: Path) -> Artifact:
    """By NNCF on a few random images: fit for timing."""
    import nncf
    import openvino

    draw = np.random.default_rng(0)
    images = [draw.standard_normal((1, 3, 224, 224), "float32") for _ in range(4)]
    model = openvino.Core().read_model(artifact.path)
    result = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    openvino.save_model(result, path, compress_to_fp16=False)
    return models.artifact("ir", path)


def variation(values: list[float]) -> float:
    return statistics.stdev(values) / statistics.mean(values)


def test_a_ratio_repeats_on_a_busy_machine(table, tmp_path) -> None:
    made = networks.mobilenet("full")
    source = models.artifact("onnx", networks.exported(made, tmp_path / "mobilenet.onnx"))
    float32, _ = passed(source, "emit_ir", tmp_path)
    pair = {"fp32": float32, "int8": quantized(float32, tmp_path / "int8.xml")}

    def timed(chosen: dict[str, Artifact], seed: int) -> list[dict[str, Any]]:
        return measured(chosen, tmp_path, threads=None, seed=seed, seconds=3 * SECONDS)

    def ratio(seed: int) -> dict[str, Any]:
        base, row = timed(pair, seed)
        return compare(row, base)

    def in_sequence(seed: int) -> float:
        medians = [
            timed({name: given}, seed)[0]["latency_ms"]["p50"] for name, given in pair.items()
        ]
        return medians[0] / medians[1]

    alone, ours, sequential = [], [], []
    for seed in range(REPEATS):
        alone.append(ratio(seed)["value"])
        with busy_in_bursts(seed):
            ours.append(ratio(seed))
            sequential.append(in_sequence(seed))
    quiet = statistics.mean(alone)
    spread = variation([one["value"] for one in ours])
    spread_of_medians = variation(sequential)
    covered = sum(one["ci95"][0] <= quiet <= one["ci95"][1] for one in ours)
    table(
        f"MobileNetV2 FP32 / INT8, {REPEATS} repeats on busy cores",
        [("ratio on the quiet machine", quiet),
         ("coefficient of variation (at most 0.02)", spread),
         ("that of the quiet machine's repeats", variation(alone)),
         ("that of sequential medians", spread_of_medians),
         ("times less (at least 5)", spread_of_medians / spread),
         ("intervals that hold the quiet ratio (at least 7)", covered)],
    )  # fmt: skip
    assert spread <= 0.02
    assert spread_of_medians >= 5 * spread
    assert covered >= 7
