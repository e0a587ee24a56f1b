"""Processor, measured peaks and every runtime's devices in one document."""

from pathlib import Path
from typing import Any

import pytest

from optkit.benchmark import peaks
from optkit.catalogue import runtime_names
from optkit.core.events import Event
from optkit.core.store import Store
from optkit.engine.devices import devices


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "SECONDS", 0.1)


def row_of(document: dict[str, Any], runtime: str, device: str) -> dict[str, Any]:
    (found,) = [
        row
        for known in document["runtimes"]
        if known["runtime"] == runtime
        for row in known["devices"]
        if row["device"] == device
    ]
    return dict(found)


def test_every_runtime_and_what_int8_can_gain(tmp_path: Path) -> None:
    told: list[Event] = []
    with Store(tmp_path / "store") as store:
        document = devices(store, listen=told.append)
        known = peaks.known_peaks(store)
    assert [event.kind for event in told] == ["start", "end"]
    assert {row["runtime"] for row in document["runtimes"]} == set(runtime_names())
    assert known is not None
    gain = known.gain()
    openvino = row_of(document, "openvino", "CPU")
    assert {"fp32", "int8"} <= set(openvino["precisions"])
    assert openvino["int8"]["gain"] == gain
    assert openvino["int8"]["told"] == f"at most {gain:.1f}x over FP32 where compute bounds"
    ort = row_of(document, "onnxruntime", "CPU")
    assert {"fp32", "int8"} <= set(ort["precisions"])
    assert ort["int8"]["gain"] == gain
    assert {"fp32", "bf16"} <= set(row_of(document, "torch", "CPU")["precisions"])
    for word in ("AUTO", "HETERO", "MULTI", "BATCH"):
        row = row_of(document, "openvino", word)
        assert (row["kind"], row["int8"]) == ("virtual", None)
    assert len(document["measured"]["copy"]) in {1, 2}
    assert document["measured"]["failed"] == []


def test_a_broken_library_is_told_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libmissing.so: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with Store(tmp_path / "store") as store:
        document = devices(store, measure=False)
    (broken,) = [row for row in document["runtimes"] if row["runtime"] == "onnxruntime"]
    assert broken["devices"] == []
    assert broken["error"].endswith("ImportError: libmissing.so: cannot open")
    assert row_of(document, "openvino", "CPU")["int8"]["told"] == "gain not measured"


def test_what_cannot_be_measured_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that tells its devices and has none of the operations that are asked of it."""
    (tmp_path / "openvino.py").write_text(
        "class Tensor:\n"
        "    def __init__(self, *_): self.data = None\n"
        "class Type:\n"
        "    f32 = None\n"
        "Shape = list\n"
        "class Core:\n"
        "    available_devices = ['CPU']\n"
        "    def get_property(self, device, name):\n"
        "        return ['FP32'] if name == 'OPTIMIZATION_CAPABILITIES' else device\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with Store(tmp_path / "store") as store:
        document = devices(store)
        assert peaks.known_peaks(store) is None
    assert document["measured"]["peaks"] == []
    (failed,) = document["measured"]["failed"]
    assert (failed["runtime"], failed["device"]) == ("openvino", "CPU")
    assert "ImportError: cannot import name 'opset13'" in failed["cause"]
    assert row_of(document, "openvino", "CPU")["precisions"] == ["fp32"]
