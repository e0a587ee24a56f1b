"""Combinations, baselines, what is kept of an interruption, and settings that recipes name."""

from pathlib import Path

import models
import pytest
from models import ConvNet

from optkit.benchmark.run import Interrupted
from optkit.core.errors import Exit, OptkitError
from optkit.core.settings import Settings
from optkit.engine.bench import Bench, bench_models, comparisons, every_choice
from optkit.engine.workplace import DEFAULT


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("models")
    models.onnx_file(ConvNet, place / "net.onnx")
    models.ir_file(ConvNet, place / "net.xml")
    return place


def bench(listen=lambda _: None, **wanted):
    return bench_models(Bench(**{"seconds": 0.1, **wanted}), DEFAULT, listen)


def test_every_choice_the_first_of_each_first():
    assert every_choice({"api": ("sync", "async"), "batch": (1, 8)}) == [
        Settings(api="sync", batch=1),
        Settings(api="sync", batch=8),
        Settings(api="async", batch=1),
        Settings(api="async", batch=8),
    ]
    assert every_choice({}) == [Settings()]


def test_comparisons_are_settings():
    for word, choices in comparisons().items():
        settings = every_choice(choices)
        assert len(set(settings)) == len(settings), word
    assert comparisons()["streams-batch"]["streams"][0] == 1


def test_the_first_row_is_the_baseline_and_rows_tell_what_was_asked(folder):
    rows = bench(
        paths=[folder / "net.xml", folder / "net.onnx"],
        settings=[Settings(), Settings(streams=2, hint="throughput")],
    )
    assert [row["asked"] for row in rows] == [{}, {"hint": "throughput", "streams": 2}] * 2
    assert rows[1]["settings"]["streams"] == 2
    assert rows[0]["speedup"] is None
    assert {row["speedup"]["against"] for row in rows[1:]} == {"net.xml"}
    for row in rows:
        assert row["samples"] == sum(row["histogram"]["counts"]) == sum(map(len, row["raw_ms"]))


def test_a_baseline_that_cannot_run_leaves_the_others(folder):
    first, second = bench(
        paths=[folder / "net.onnx"], settings=[Settings(device="GPU"), Settings()]
    )
    assert first["error"]["exit"] == Exit.BAD_INPUT
    assert second["speedup"] is None
    assert second["latency_ms"]["p50"] > 0


def test_nothing_that_runs_is_bad_input(folder):
    with pytest.raises(OptkitError, match="no device 'GPU'") as caught:
        bench(paths=[folder / "net.onnx"], settings=[Settings(device="GPU")])
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_models_of_the_same_name_are_told_apart(folder, tmp_path):
    twin = tmp_path / "net.onnx"
    twin.write_bytes((folder / "net.onnx").read_bytes())
    rows = bench(paths=[folder / "net.onnx", twin])
    assert [row["artifact"] for row in rows] == [str(folder / "net.onnx"), str(twin)]


def test_everywhere_is_every_device_of_the_runtime(folder):
    from optkit.runtimes import openvino

    rows = bench(paths=[folder / "net.xml"], everywhere=True)
    assert [row["device"] for row in rows] == list(openvino.devices())


def test_interrupted_in_a_later_scenario_it_keeps_the_earlier(folder):
    def stop(event):
        if event.kind == "progress" and event.title == "benchmark offline":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        bench(
            stop,
            paths=[folder / "net.xml", folder / "net.onnx"],
            scenarios=["single-stream", "offline"],
            seconds=0.5,
        )
    rows = caught.value.rows
    assert [row["scenario"] for row in rows] == ["single-stream"] * 2 + ["offline"] * 2
    assert rows[1]["speedup"]["value"] > 0
    assert all("raw_ms" in row or row["error"]["message"] for row in rows)


def test_a_recipes_settings_reach_the_runtime(convert, onnx_model):
    wanted = {"seconds": 0.1, "hint": "throughput", "streams": 2, "nireq": 4, "api": "async",
              "threads": 2, "scenarios": ["offline"]}  # fmt: skip
    rows = convert(onnx_model, to=["ir"], benchmark=wanted).manifest["benchmark"]
    source, result = rows[0], rows[-1]
    assert result["artifact"] == "model.xml"
    for name in ("hint", "streams", "nireq", "api"):
        assert result["settings"][name] == wanted[name], name
    assert source["settings"]["threads"] == 2
    assert result["throughput_per_s"] > 0
    assert sum(result["histogram"]["counts"]) == result["samples"]


def test_a_recipes_batch_reaches_source_and_result(convert, tmp_path):
    model = models.onnx_file(ConvNet, tmp_path / "open.onnx", dynamic_batch=True)
    rows = convert(model, to=["ir"], benchmark={"seconds": 0.1, "batch": 4}).manifest["benchmark"]
    assert [row["settings"]["batch"] for row in rows] == [4] * len(rows)


def test_other_settings_are_measured_anew(convert, onnx_model):
    def fresh(**more):
        wanted = {"seconds": 0.1, **more}
        return not convert(onnx_model, to=["ir"], benchmark=wanted).manifest["benchmark"][-1][
            "cached"
        ]

    assert fresh()
    assert not fresh()
    assert fresh(streams=2)


def test_a_device_that_is_not_there_is_told_before_any_step(convert, onnx_model, tmp_path):
    told = []
    with pytest.raises(OptkitError, match="OpenVINO has no device 'GPU' here") as caught:
        convert(onnx_model, listen=told.append, to=["ir"], benchmark={"devices": ["CPU", "GPU"]})
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert caught.value.hint.startswith("one of CPU")
    assert told == []
    assert not (tmp_path / "out").exists()
