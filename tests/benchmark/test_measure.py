"""Measuring in a child process: rows, ratios, and who is named when a model fails."""

import json
import os
import signal
from pathlib import Path

import models
import pytest
from models import ConvNet
from timing import busy_in_bursts

from optkit.benchmark.process import kept_open
from optkit.benchmark.run import Interrupted, compare, measure
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
from optkit.core.stats import paired_ratio

ROW = {"artifact", "runtime", "device", "scenario", "settings", "samples", "executed", "warmup",
       "sittings", "preempted", "latency_ms", "throughput_per_s", "speedup", "raw_ms",
       "waited", "histogram"}  # fmt: skip
FAILED = {"artifact", "runtime", "device", "scenario", "settings", "error"}
ARRAYS = {"image": models.example(ConvNet)[0].numpy()}
QUICK = {"seconds": 0.2, "warmup": 0.2}


@pytest.fixture
def folder(tmp_path):
    write_inputs(tmp_path / "inputs.npz", ARRAYS)
    return tmp_path


def contender(folder, name, form="ir", runtime="openvino", path=None, **settings):
    writers = {"ir": models.ir_file, "onnx": models.onnx_file, "torchscript": models.traced}
    path = path or writers[form](ConvNet, folder / f"{name}.{'xml' if form == 'ir' else form}")
    return Contender(
        name, models.artifact(form, path), runtime,
        Settings(threads=1, **settings), folder / "inputs.npz",
    )  # fmt: skip


def test_plan_and_inputs_cross_the_pipe(folder):
    plan = Plan((contender(folder, "a"),), seconds=0.5, scenario="offline", seed=3)
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    back = read_inputs(folder / "inputs.npz")
    assert list(back) == ["image"]
    assert (back["image"] == ARRAYS["image"]).all()


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"seconds": float("nan")}, {"per_query": 0}, {"latency_bound_ms": -1}]
)
def test_what_cannot_be_measured_is_bad_input(folder, wrong):
    with pytest.raises(OptkitError, match=next(iter(wrong))) as caught:
        Plan((contender(folder, "a"),), **wrong)
    assert caught.value.exit_code == Exit.BAD_INPUT


def test_nothing_to_measure_is_bad_input():
    with pytest.raises(OptkitError, match="nothing to measure"):
        Plan(())


def test_three_runtimes_side_by_side(folder):
    plan = Plan(
        (
            contender(folder, "source", "torchscript", "torch"),
            contender(folder, "graph", "onnx", "onnxruntime"),
            contender(folder, "ir"),
        ),
        **QUICK,
    )
    seen = []
    rows = measure(plan, lambda done, total: seen.append((done, total)))
    assert [row["artifact"] for row in rows] == ["source", "graph", "ir"]
    for row in rows:
        assert row.keys() >= ROW
        assert row["executed"] == {"fp32": 2}
        settings = row["settings"]
        assert (settings["threads"], settings["api"], settings["batch"]) == (1, "sync", 1)
        assert row["samples"] == sum(map(len, row["raw_ms"])) >= 10
        assert row["warmup"] >= 5
        assert 0 <= row["preempted"] <= 1
        latency = row["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
        assert latency["ci95"][0] <= latency["mean"] <= latency["ci95"][1]
        assert row["throughput_per_s"] == pytest.approx(1000 / latency["mean"])
    assert seen[-1][0] == seen[-1][1]
    json.dumps(rows)


def ratio(base, row):
    waited = base["waited"], row["waited"]
    return paired_ratio(base["raw_ms"], row["raw_ms"], row["sittings"], waited)[0]


def test_waiting_for_a_core_is_told_by_round(folder):
    with busy_in_bursts():
        (row,) = measure(Plan((contender(folder, "a"),), **QUICK))
    assert len(row["waited"]) == len(row["raw_ms"])
    assert all(share >= 0 for share in row["waited"])


def test_a_speedup_is_the_ratio_in_the_rounds(folder):
    first = contender(folder, "first")
    second = contender(folder, "second", path=first.artifact.path)
    base, row = measure(Plan((first, second), **QUICK))
    speedup = compare(row, base)
    assert speedup["against"] == "first"
    assert speedup["value"] == ratio(base, row)
    assert 0 < speedup["ci95"][0] <= speedup["ci95"][1]
    assert speedup["verdict"] in {"faster", "slower", "no difference", "too noisy"}


def test_a_moment_is_enough_for_the_least_rounds(folder):
    (row,) = measure(Plan((contender(folder, "a"),), seconds=1e-6, warmup=1e-6))
    assert len(row["raw_ms"]) == 10


def test_a_batch_counts_its_inputs(folder):
    path = models.onnx_file(ConvNet, folder / "dynamic.onnx", dynamic_batch=True)
    many = contender(folder, "many", "onnx", "onnxruntime", path, batch=8)
    one = contender(folder, "one", "onnx", "onnxruntime", path)
    base, row = measure(Plan((one, many), **QUICK))
    assert row["settings"]["batch"] == 8
    assert row["throughput_per_s"] == pytest.approx(8 * 1000 / row["latency_ms"]["mean"])
    batches = ratio(base, row)
    assert compare(row, base)["value"] == pytest.approx(8 * batches)


def test_models_are_loaded_anew_for_each_sitting(folder):
    pair = (contender(folder, "a"), contender(folder, "b", "onnx", "onnxruntime"))
    base, row = measure(Plan(pair, seconds=1.0, sittings=3))
    assert base["sittings"] == row["sittings"]
    assert 2 <= len(row["sittings"]) <= 3
    assert sum(row["sittings"]) == len(row["raw_ms"])


@pytest.mark.parametrize("more", [{"seconds": 0.5}, {"scenario": "server"}, {"sittings": 1}])
def test_one_sitting_where_no_certainty_is_asked_or_a_search_goes_on(folder, more):
    (row,) = measure(Plan((contender(folder, "a"),), **{"seconds": 1.0, **more}))
    assert len(row["sittings"]) == 1


def test_a_batch_that_does_not_fit_is_named_and_the_others_go_on(folder):
    fixed = contender(folder, "fixed", "onnx", "onnxruntime", batch=3)
    failed, row = measure(Plan((fixed, contender(folder, "a")), **QUICK))
    assert failed.keys() == FAILED
    assert "fixed" in failed["error"]["message"]
    assert row["samples"] > 0
    assert compare(row, failed) is None


def test_unknown_scenario_is_bad_input(folder):
    with pytest.raises(OptkitError) as caught:
        measure(Plan((contender(folder, "a"),), scenario="burst"))
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "single-stream" in caught.value.hint


def test_a_model_that_is_gone_is_named_and_the_others_go_on(folder):
    good, gone = contender(folder, "good"), contender(folder, "gone", "onnx", "onnxruntime")
    gone.artifact.path.unlink()
    row, failed = measure(Plan((good, gone), **QUICK))
    assert row["samples"] > 0
    assert failed.keys() == FAILED
    assert "gone.onnx" in failed["error"]["message"]


def test_a_device_that_is_not_there_is_bad_input_where_nothing_else_is_measured(folder):
    with pytest.raises(OptkitError, match="TPU") as caught:
        measure(Plan((contender(folder, "a", device="TPU"),), **QUICK))
    assert caught.value.exit_code == Exit.BAD_INPUT


def test_inputs_that_do_not_fit_are_named(folder):
    one = contender(folder, "narrow")
    write_inputs(folder / "inputs.npz", {"image": ARRAYS["image"][:, :2]})
    with pytest.raises(OptkitError, match="narrow"):
        measure(Plan((one,), **QUICK))


def _flat(row):
    return [sample for samples in row["raw_ms"] for sample in samples]


def _children():
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


def _signalling(number, after=0.0):
    """A progress callback that sends one signal to the first measuring process."""
    before, sent = set(_children()), []

    def send(done, _total):
        for pid in set() if sent or done < after else set(_children()) - before:
            sent.append(pid)
            os.kill(pid, number)

    return send


def test_a_native_crash_is_named_with_its_signal(folder):
    with pytest.raises(OptkitError, match=r"a \(openvino\) crashed while .*SIGSEGV"):
        measure(Plan((contender(folder, "a"),), seconds=5), _signalling(signal.SIGSEGV))


def test_a_hang_is_named(folder):
    with pytest.raises(OptkitError, match="a hangs"):
        measure(Plan((contender(folder, "a"),), seconds=5, silence=3), _signalling(signal.SIGSTOP))


@pytest.mark.parametrize("scenario", ["single-stream", "server"])
def test_after_a_crash_the_others_go_on_with_what_they_had(folder, scenario):
    plan = Plan((contender(folder, "a"), contender(folder, "b")), seconds=0.5, warmup=0.2,
                scenario=scenario, latency_bound_ms=20)  # fmt: skip
    rows = measure(plan, _signalling(signal.SIGSEGV, 0.1))
    failed = [row for row in rows if "error" in row]
    (row,) = [row for row in rows if "error" not in row]
    assert [one.keys() for one in failed] == [FAILED]
    assert "SIGSEGV" in failed[0]["error"]["message"]
    assert row.keys() >= ROW
    assert row["samples"] == sum(map(len, row["raw_ms"])) > 0


def test_an_interrupt_leaves_no_process_behind_and_keeps_what_was_measured(folder):
    before = _children()

    def interrupt(done, _total):
        if done > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        measure(Plan((contender(folder, "a"),), seconds=5, warmup=0.2), interrupt)
    assert _children() == before
    (row,) = caught.value.rows
    assert row.keys() >= ROW
    assert row["samples"] == sum(map(len, row["raw_ms"])) > 0


def test_sigterm_is_an_interrupt_too(folder):
    before, handler = _children(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        measure(
            Plan((contender(folder, "a"),), **QUICK),
            lambda _done, _total: os.kill(os.getpid(), signal.SIGTERM),
        )
    assert _children() == before
    assert signal.getsignal(signal.SIGTERM) == handler
    (row,) = caught.value.rows
    assert "interrupted" in row["error"]["message"]


def test_one_process_takes_plan_after_plan(folder):
    """Until one of them ends it: the next plan starts another, and at the end none is left."""
    before, one = _children(), contender(folder, "a")

    def measured(speaking, **more):
        (row,) = measure(Plan((one,), **QUICK), speaking=speaking, **more)
        (pid,) = set(_children()) - set(before)
        return pid, row["samples"]

    with kept_open() as speaking:
        assert _children() == before  # not before there is something to do
        (first, samples), (second, more) = measured(speaking), measured(speaking)
        assert first == second
        assert min(samples, more) > 0
        crashing = lambda *_: os.kill(first, signal.SIGSEGV)  # noqa: E731
        with pytest.raises(OptkitError, match="SIGSEGV"):
            measured(speaking, progress=crashing)
        assert _children() == before
        third, samples = measured(speaking)
        assert third != first
        assert samples > 0
        os.kill(third, signal.SIGKILL)  # as where memory runs out
        os.waitid(os.P_PID, third, os.WEXITED | os.WNOWAIT)
        assert measured(speaking)[0] != third
    assert _children() == before


def test_what_the_next_plan_has_too_stays_open_for_it(folder):
    one, other = contender(folder, "a"), contender(folder, "b")
    with kept_open() as speaking:
        measure(Plan((one,), **QUICK), speaking=speaking)
        one.artifact.path.unlink()
        both = measure(Plan((other, one), **QUICK), speaking=speaking)
        assert all(row["samples"] > 0 for row in both)
        measure(Plan((other,), **QUICK), speaking=speaking)  # here it is closed
        with pytest.raises(OptkitError, match="a "):
            measure(Plan((one,), **QUICK), speaking=speaking)
