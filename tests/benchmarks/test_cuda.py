"""Claim: on a CUDA device half precision is as fast as FP32 at least, and compiling costs nothing.

One run per batch; every row is timed side by side with eager FP32 on the same device.
"""

import os

import models
import networks
import pytest
import torch
from timing import SECONDS, contender

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import Plan
from optkit.core.settings import Settings

DEVICE = os.environ.get("OPTKIT_BENCH_DEVICE", "CUDA")
"""The processor takes the same way, where only the claim's code is to be run."""

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(
        DEVICE == "CUDA" and not torch.cuda.is_available(), reason="no CUDA device"
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    network, example = networks.resnet("full")
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        network, tuple(one.repeat(2, 1, 1, 1) for one in example), dynamic_shapes=[{0: batch}]
    )
    path = tmp_path_factory.mktemp("resnet") / "resnet.pt2"
    torch.export.save(program, path)
    return models.artifact("exported", path)


@pytest.mark.parametrize("batch", [1, 8])
def test_half_precision_and_compiling_pay(table, tmp_path, resnet, batch) -> None:
    tried = {
        f"{mode} {precision}": Settings(
            device=DEVICE, mode=mode, infer_precision=precision, batch=batch
        )
        for mode in ("eager", "compile")
        for precision in ("f32", "f16", "bf16")
    }
    contenders = [
        contender(name, resnet, settings, tmp_path, "torch") for name, settings in tried.items()
    ]
    base, *rows = measure(Plan(tuple(contenders), SECONDS))
    told = {row["artifact"]: compare(row, base) for row in rows}
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else DEVICE
    table(
        f"ResNet-50 in PyTorch on {name}, batch {batch}",
        [("eager f32, ms", base["latency_ms"]["p50"])]
        + [(f"{row['artifact']}, times as fast", told[row["artifact"]]["value"]) for row in rows],
    )
    assert told["compile f32"]["ci95"][1] >= 0.98
    for word in ("f16", "bf16"):
        assert max(told[f"{mode} {word}"]["ci95"][1] for mode in ("eager", "compile")) >= 0.98
