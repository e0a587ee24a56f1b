"""A result that is slower than what it replaces says where it loses its time."""

import models
import pytest
from models import ConvNet

from optkit.benchmark.spec import Contender, write_inputs
from optkit.core.settings import Settings
from optkit.engine import timing
from optkit.engine.at_fault import losing, slower_than
from optkit.report.html import render_run


def operation(name, ms, precision="fp32"):
    return {"name": name, "type": "Convolution", "precision": precision, "ms": ms, "share": 0.1}


def test_what_takes_longer_and_what_is_new_by_what_it_loses():
    before = [operation("a", 1.0), operation("b", 1.0), operation("c", 1.0)]
    after = [operation("a", 0.4, "int8"), operation("b", 1.2, "int8"), operation("reorder", 0.5)]
    lost = losing(before, after)
    assert [row["name"] for row in lost] == ["reorder", "b"]
    assert [(row["ms"], row["instead_ms"]) for row in lost] == [(0.5, 0.0), (1.2, 1.0)]


def contender(folder, name, network, **settings):
    path = models.ir_file(network, folder / f"{name}.xml")
    arrays = {"image": models.example(network)[0].numpy()}
    return Contender(
        name, models.artifact("ir", path), "openvino", Settings(threads=1, **settings),
        write_inputs(folder / f"{name}.npz", arrays),
    )  # fmt: skip


def test_both_models_are_profiled(tmp_path):
    one = contender(tmp_path, "fp32", ConvNet)
    told = slower_than(one, contender(tmp_path, "other", ConvNet), 0.2)
    assert told["than"] == "fp32"
    assert len(told["operations"]) <= 5
    assert all(row["ms"] > row["instead_ms"] for row in told["operations"])
    known = {row["name"] for row in told["operations"] if row["instead_ms"] > 0}
    assert known or told["lost_ms"] <= 0  # the same network has the same names


def test_what_cannot_be_profiled_is_told(tmp_path):
    broken = contender(tmp_path, "broken", ConvNet, device="TPU")
    told = slower_than(contender(tmp_path, "fp32", ConvNet), broken, 0.2)
    assert told["than"] == "fp32"
    assert "TPU" in told["error"]


@pytest.fixture
def always_slower(monkeypatch):
    """Every result loses: verdicts hang on the machine, and what follows from one does not."""
    monkeypatch.setattr(timing, "_faster", lambda _: "fp32")


def test_a_run_tells_the_operations_at_fault(convert, onnx_model, always_slower):
    made = convert(onnx_model, to="ir", precision="w8a16", benchmark={"seconds": 0.1})
    *_, row = made.manifest["benchmark"]
    assert row["slower"]["than"] == "fp32"
    assert row["slower"]["operations"]
    assert "slower than fp32: " in render_run(made.manifest)


def test_fp32_in_half_precision_is_timed_where_the_device_gains_by_it(
    convert, onnx_model, monkeypatch
):
    """Where it is asked for and cannot be had, the row says so, and the rest stands."""
    monkeypatch.setattr(timing, "_half", lambda *_: "bf16")
    made = convert(onnx_model, to="ir", precision="w8a16", benchmark={"seconds": 0.1})
    rows = {row["artifact"]: row for row in made.manifest["benchmark"]}
    assert list(rows) == ["source", "fp32", "fp32 in bf16", "model.xml"]
    half = rows["fp32 in bf16"]
    if "error" in half:
        assert "bf16" in half["error"]["message"]
        assert rows["model.xml"]["speedup_vs_half"] is None
    else:
        assert rows["model.xml"]["speedup_vs_half"]["against"] == "fp32 in bf16"
