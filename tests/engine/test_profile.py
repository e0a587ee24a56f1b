"""Models profiled against the peaks of this machine, and how a person is told."""

import json

import models
import pytest

from optkit.benchmark import peaks
from optkit.cli.main import run_command
from optkit.core.events import silent
from optkit.core.settings import Settings
from optkit.engine.bench import Bench
from optkit.engine.profile import profile_models
from optkit.engine.workplace import DEFAULT


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(peaks, "SECONDS", 0.1)


@pytest.fixture(scope="module")
def ir_model(tmp_path_factory):
    return models.ir_file(models.ConvNet, tmp_path_factory.mktemp("ir") / "net.xml")


def test_every_model_with_every_setting(onnx_model, ir_model):
    settings = (Settings(threads=1), Settings(threads=1, streams=1))
    bench = Bench([onnx_model, ir_model], settings, seconds=0.2)
    rows = profile_models(bench, DEFAULT, silent)
    names = [(row["artifact"], row["runtime"]) for row in rows]
    assert names == [("net.onnx", "onnxruntime")] * 2 + [("net.xml", "openvino")] * 2
    for row in rows:
        assert {"fp32", "int8"} <= row["peaks"]["gops"].keys()
        assert row["peaks"]["gb_per_s"] > 0
        (convolution,) = [one for one in row["operations"] if "conv" in one["type"].lower()]
        assert 0 < convolution["peak_share"] < 1  # too small a network to come near
        assert convolution["bound"] in {"compute", "memory", "overhead"}
        assert sum(one["share"] for one in row["operations"]) == pytest.approx(1)


@pytest.mark.parametrize("columns", [80, 160])
def test_the_command_prints_and_writes_it(columns, onnx_model, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    arguments = ["bench", str(onnx_model), "--profile", "--seconds", "0.2", "--threads", "1"]
    assert run_command([*arguments, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document.keys() == {"benchmark", "profile"}
    (row,) = document["profile"]
    assert run_command([*arguments, "--raw", str(tmp_path / "raw.json")]) == 0
    told = capfd.readouterr().out
    for word in ("between", "of peak", "overhead", "measured peaks: ", "█"):
        assert word in told
    assert ("FLOP/B" in told) == (columns == 160)
    for one in row["by_type"]:
        assert one["type"] in told
    raw = json.loads((tmp_path / "raw.json").read_text())
    assert raw["profile"][0].keys() == row.keys()
