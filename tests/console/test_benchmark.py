"""What a person reads of models timed side by side."""

import io

import pytest
from rich.console import Console as Rich

from optkit import console as say
from optkit.core.stats import histogram

FASTER = {"value": 4.88, "ci95": [4.17, 5.23], "against": "a.onnx", "verdict": "faster"}


def row(artifact, speedup=None, samples=(1.0, 2.0, 4.0), **more):
    return {
        "artifact": artifact, "runtime": "onnxruntime", "device": "CPU",
        "scenario": "single-stream", "settings": {"batch": 1}, "asked": {}, "preempted": 0.0,
        "latency_ms": {"p50": 2.0, "p99": 4.0}, "throughput_per_s": 60940.0, "speedup": speedup,
        "histogram": histogram(samples), **more,
    }  # fmt: skip


def failed(artifact, **more):
    error = {"message": "it crashed", "hint": "try another", "exit": 1}
    kept = ("artifact", "runtime", "device", "scenario", "settings", "asked")
    return {key: row(artifact, **more)[key] for key in kept} | {"error": error}


def shown(*rows, width=80, terminal=False):
    stream = io.StringIO()
    rich = Rich(file=stream, width=width, force_terminal=terminal, color_system=None)
    say.print_benchmark(say.Console(stream, rich), rows)
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_a_row_in_80_columns():
    title, *_, first, second, runtimes = shown(row("a.onnx"), row("b.onnx", FASTER))
    assert title == "single-stream, CPU"
    assert first.split() == ["a.onnx", "2", "4", "60.9k", "baseline"]
    assert second.split() == ["b.onnx", "2", "4", "60.9k", "4.88x", "4.17-5.23", "faster"]
    assert runtimes == "onnxruntime runs a.onnx, b.onnx"


def test_settings_that_differ_are_columns_the_others_stand_above():
    rows = [row("a.onnx", asked={"hint": "latency", "batch": batch}) for batch in (1, 8)]
    title, _, heads, _, *cells = shown(*rows)
    assert title == "single-stream, CPU, hint latency"
    assert heads.split()[:2] == ["model", "batch"]
    assert [line.split()[1] for line in cells[:2]] == ["1", "8"]


def test_devices_that_differ_are_a_column():
    rows = [row("a.onnx"), row("a.onnx", FASTER, device="GPU")]
    title, _, heads, *_ = shown(*rows)
    assert title == "single-stream"
    assert heads.split()[:2] == ["model", "device"]


def test_a_row_that_failed_says_why():
    lines = shown(failed("a.onnx"), row("b.onnx"))
    assert lines[4].split() == ["a.onnx", "failed"]
    assert "a.onnx: it crashed; try another" in lines


def test_nothing_measured_is_no_fault():
    assert (
        shown(failed("a.onnx"), width=100, terminal=True)[-1] == "a.onnx: it crashed; try another"
    )


@pytest.mark.parametrize("held", [True, False])
def test_a_server_tells_load_and_bound(held):
    server = {"held": held, "latency_bound_ms": 10.0, "reason": "p99 is 12 ms"}
    lines = shown(row("a.onnx", scenario="server", server=server, preempted=1.0))
    assert lines[0] == "server, p99 within 10 ms, CPU"
    assert lines[4].split()[3] == ("60.9k" if held else "none")
    assert ("a.onnx: no load found; p99 is 12 ms" in lines) is not held


def test_parts_of_a_model_and_where_they_run():
    settings = {"batch": 1, "placement": {"GPU": 3, "CPU": 12}}
    lines = shown(row("a.xml", device="HETERO:GPU,CPU", settings=settings))
    assert "a.xml: operations on GPU 3, CPU 12" in lines


def test_a_busy_machine_is_told_once():
    lines = shown(row("a.onnx", preempted=0.4), row("b.onnx", FASTER, preempted=0.2))
    assert lines[-1] == "the machine was busy, samples preempted: a.onnx 40%; b.onnx 20%"


def test_latencies_on_a_terminal_share_one_scale():
    rows = (
        row("a.onnx", samples=[1.0] * 9, latency_ms={"p50": 1.0, "p99": 1.0}),
        row("b.onnx", samples=[100.0] * 9, latency_ms={"p50": 100.0, "p99": 100.0}),
    )
    wide = shown(*rows, width=100, terminal=True)
    first, second = (line.index("█") for line in wide[4:6])
    assert second - first == 15
    assert not any("█" in line for line in shown(*rows, width=48, terminal=True))
    assert not any("█" in line for line in shown(*rows, width=100))


@pytest.mark.parametrize("width", [40, 60, 200])
def test_no_figure_is_cut_short(width):
    text = "".join("".join(shown(row("a.onnx"), row("b.onnx", FASTER), width=width)).split())
    assert "…" not in text
    for figure in ("60.9k", "4.88x"):
        assert figure in text
