"""Measuring in a child process: rows, ratios, and who is named when a model fails."""

import json
import os
import signal
from pathlib import Path

import models
import pytest
from models import ConvNet

from optkit.benchmark.run import compare, measure
from optkit.benchmark.spec import (
    Contender,
    Plan,
    plan_from_json,
    plan_to_json,
    read_inputs,
    write_inputs,
)
from optkit.core.errors import Exit, OptkitError
from optkit.core.settings import Settings
from optkit.core.stats import percentile

ROW = {"artifact", "runtime", "device", "scenario", "settings", "samples", "executed",
       "latency_ms", "throughput_per_s", "speedup"}  # fmt: skip
ARRAYS = {"image": models.example(ConvNet)[0].numpy()}


@pytest.fixture
def folder(tmp_path):
    write_inputs(tmp_path / "inputs.npz", ARRAYS)
    return tmp_path


def contender(folder, name, form="ir", runtime="openvino", path=None):
    writers = {"ir": models.ir_file, "onnx": models.onnx_file, "torchscript": models.traced}
    path = path or writers[form](ConvNet, folder / f"{name}.{'xml' if form == 'ir' else form}")
    return Contender(
        name, models.artifact(form, path), runtime, Settings(threads=1), folder / "inputs.npz"
    )  # fmt: skip


def test_plan_and_inputs_cross_the_pipe(folder):
    plan = Plan((contender(folder, "a"),), seconds=0.5, scenario="offline", seed=3)
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    back = read_inputs(folder / "inputs.npz")
    assert list(back) == ["image"]
    assert (back["image"] == ARRAYS["image"]).all()


def test_three_runtimes_side_by_side(folder):
    plan = Plan(
        (
            contender(folder, "source", "torchscript", "torch"),
            contender(folder, "graph", "onnx", "onnxruntime"),
            contender(folder, "ir"),
        ),
        seconds=0.3,
    )
    seen = []
    rows = measure(plan, lambda done, total: seen.append((done, total)))
    assert [row["artifact"] for row in rows] == ["source", "graph", "ir"]
    for row in rows:
        assert row.keys() >= ROW
        assert row["executed"] == {"fp32": 2}
        assert row["settings"]["threads"] == 1
        assert row["samples"] == sum(map(len, row["raw_ms"])) >= 10
        latency = row["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
        assert latency["ci95"][0] <= latency["mean"] <= latency["ci95"][1]
        assert row["throughput_per_s"] == pytest.approx(1000 / latency["mean"])
    assert seen[-1][0] == seen[-1][1]
    json.dumps(rows)


def test_a_speedup_is_the_ratio_of_low_percentiles(folder):
    first = contender(folder, "first")
    second = contender(folder, "second", path=first.artifact.path)
    base, row = measure(Plan((first, second), seconds=0.3))
    speedup = compare(row, base)
    low = [
        percentile([sample for round_ in timed["raw_ms"] for sample in round_], 10)
        for timed in (base, row)
    ]
    assert speedup["against"] == "first"
    assert speedup["value"] == pytest.approx(low[0] / low[1])
    assert 0 < speedup["ci95"][0] <= speedup["ci95"][1]


def test_offline(folder):
    plan = Plan((contender(folder, "a"), contender(folder, "b", "onnx", "onnxruntime")),
                seconds=0.3, scenario="offline")  # fmt: skip
    for row in measure(plan):
        assert row["scenario"] == "offline"
        assert row["samples"] == len(row["raw_ms"])


def test_unknown_scenario_is_bad_input(folder):
    with pytest.raises(OptkitError) as caught:
        measure(Plan((contender(folder, "a"),), scenario="burst"))
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "single-stream" in caught.value.hint


def test_a_model_that_is_gone_is_named(folder):
    good, gone = contender(folder, "good"), contender(folder, "gone", "onnx", "onnxruntime")
    gone.artifact.path.unlink()
    with pytest.raises(OptkitError, match=r"gone\.onnx"):
        measure(Plan((good, gone), seconds=0.1))


def test_inputs_that_do_not_fit_are_named(folder):
    one = contender(folder, "narrow")
    write_inputs(folder / "inputs.npz", {"image": ARRAYS["image"][:, :2]})
    with pytest.raises(OptkitError, match="narrow fails in openvino"):
        measure(Plan((one,), seconds=0.1))


def _children():
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_a_native_crash_is_named_with_its_signal(folder):
    before = _children()

    def kill(_done, _total):
        for pid in set(_children()) - set(before):
            os.kill(pid, signal.SIGSEGV)

    with pytest.raises(OptkitError, match=r"a \(openvino\) crashed while .*SIGSEGV"):
        measure(Plan((contender(folder, "a"),), seconds=5), kill)


def test_a_hang_is_named(folder):
    before = _children()

    def stop(_done, _total):
        for pid in set(_children()) - set(before):
            os.kill(pid, signal.SIGSTOP)

    with pytest.raises(OptkitError, match="a hangs"):
        measure(Plan((contender(folder, "a"),), seconds=5, silence=3), stop)


def test_an_interrupt_leaves_no_process_behind(folder):
    before = _children()

    def interrupt(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(Plan((contender(folder, "a"),), seconds=5), interrupt)
    assert _children() == before
