"""What the hardware can do at most, measured for real, if on small networks."""

import time
from pathlib import Path
from typing import Any

import pytest

from optkit.benchmark import peaks
from optkit.benchmark.hardware.sampling import Work, rates
from optkit.benchmark.peaks import Peak, Peaks
from optkit.core.errors import OptkitError
from optkit.core.machine import cores
from optkit.core.store import Store


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return peaks.measure_peaks("openvino", "CPU", 0.1, 0.25)


def test_every_precision_has_the_kernels_of_its_name(found: dict[str, Any]) -> None:
    words = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "i8"}
    kernels = {(row["what"], row["threads"]): row["kernel"] for row in found["rates"]}
    assert {"fp32", "int8", "copy"} <= {what for what, _ in kernels}
    for (what, threads), kernel in kernels.items():
        assert threads in {1, cores()}
        if what != "copy":
            assert kernel.lower().endswith(words[what]), kernel
    assert not {*found["refused"]} & {what for what, _ in kernels}


def test_rates_are_those_of_a_computer(found: dict[str, Any]) -> None:
    for row in found["rates"]:
        assert 1e8 < row["per_s"] < 1e16, row
        assert 0 <= row["spread"] < 1
        assert row["blocks"] >= 1
        assert 0 <= row["undisturbed"] <= row["blocks"]


def test_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "SECONDS", 0.1)
    with Store(tmp_path / "store") as store:
        assert peaks.known_peaks(store) is None
        first = peaks.measured_peaks(store)
        # two measurements never agree to the last digit
        assert peaks.measured_peaks(store) == peaks.known_peaks(store) == first
        assert peaks.known_peaks(store, "openvino", "GPU") is None
    for threads in (1, cores()):
        assert (first.ops_per_s("fp32", threads) or 0) > 0
        assert (first.bytes_per_s(threads) or 0) > 0


def row(what: str, threads: int, per_s: float, spread: float = 0.01) -> Peak:
    return Peak(what, threads, per_s, spread, 10, 10, "kernel")


def test_between_one_thread_and_all() -> None:
    known = Peaks("openvino", "CPU", (row("fp32", 1, 100.0), row("fp32", 5, 400.0)), {})
    assert known.ops_per_s("fp32") == 400
    assert known.ops_per_s("fp32", 1) == 100
    assert known.ops_per_s("fp32", 3) == 250
    assert known.ops_per_s("fp32", 9) == 400
    assert known.ops_per_s("int8", 1) is None
    assert known.bytes_per_s() is None


def test_the_gain_is_read_where_least_disturbed() -> None:
    rows = (row("fp32", 1, 100.0), row("int8", 1, 390.0),
            row("fp32", 2, 50.0, 0.4), row("int8", 2, 700.0))  # fmt: skip
    known = Peaks("openvino", "CPU", rows, {})
    assert known.gain() == pytest.approx(3.9)
    assert known.gain("bf16") is None


def test_the_best_undisturbed_block_counts() -> None:
    """A thread that sleeps half of its time has no core for itself."""
    turns = iter(range(1000))

    def run(times: int) -> None:
        for _ in range(times):
            end = time.process_time() + 0.015
            while time.process_time() < end:
                pass
            if next(turns) % 2:
                time.sleep(0.015)

    (rate,) = rates([Work("loop", 1, 1.0, run, "loop")], 0.5)
    assert 0 <= rate.undisturbed < rate.blocks
    assert rate.best <= 1 / 0.015


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise ImportError('libmissing.so: cannot open')", "ImportError: libmissing.so: cannot"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("import time; time.sleep(60)", "no answer in 2 s"),
    ],
)
def test_a_broken_library_is_named(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openvino.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(peaks, "_PATIENCE", 2.0)
    with pytest.raises(OptkitError, match="looking at openvino's devices") as caught:
        peaks.ask({"ask": "devices", "runtime": "openvino"})
    assert told in caught.value.message
    assert "optkit doctor" in caught.value.hint
