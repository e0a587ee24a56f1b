"""optkit bench: every combination of settings, usual tables, what fails, what is kept."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import environment

from optkit.engine.bench import comparisons

Optkit = Callable[..., Any]
QUICK = ("--seconds", "0.1")


def rows_of(optkit: Optkit, *arguments: object) -> list[dict[str, Any]]:
    ended = optkit("bench", *arguments, *QUICK, "--json")
    assert ended.code == 0, ended
    rows: list[dict[str, Any]] = json.loads(ended.out)["benchmark"]
    return rows


def test_every_combination_against_the_first(optkit: Optkit, shelf: Path) -> None:
    models = (shelf / "model.xml", shelf / "model.onnx")
    rows = rows_of(optkit, *models, "--hint", "latency,throughput", "--api", "sync,async")
    asked = [(row["artifact"], row["asked"]["hint"], row["asked"]["api"]) for row in rows]
    assert asked == [
        (name, hint, api)
        for name in ("model.xml", "model.onnx")
        for hint in ("latency", "throughput")
        for api in ("sync", "async")
    ]
    assert [row["settings"]["hint"] for row in rows] == [row["asked"]["hint"] for row in rows]
    first, *others = rows
    assert first["speedup"] is None
    for row in others:
        assert row["speedup"]["against"] == "model.xml"
        low, high = row["speedup"]["ci95"]
        assert 0 < low <= row["speedup"]["value"] <= high
        assert row["speedup"]["verdict"] in {"faster", "slower", "no difference", "too noisy"}
        assert "raw_ms" not in row


def test_one_setting_is_no_combination(optkit: Optkit, shelf: Path) -> None:
    (row,) = rows_of(optkit, shelf / "model.xml", "--streams", "2", "--batch", "2", "--pin")
    assert row["asked"] == {"streams": 2, "batch": 2, "pin": True}
    assert (row["settings"]["streams"], row["settings"]["batch"]) == (2, 2)
    assert row["settings"]["pin"] is True


@pytest.mark.parametrize("word", comparisons())
def test_usual_tables(optkit: Optkit, shelf: Path, word: str) -> None:
    rows = rows_of(optkit, shelf / "model.xml", "--compare", word)
    choices = comparisons()[word]
    if not choices:
        assert "CPU" in [row["device"] for row in rows]
        return
    default = {"batch": 1, "infer_precision": "f32"}
    found = {tuple(row["asked"].get(name, default.get(name)) for name in choices) for row in rows}
    count = 1
    for name, values in choices.items():
        assert {dict(zip(choices, one, strict=True))[name] for one in found} == set(values)
        count *= len(values)
    assert len(found) == len(rows) == count


def test_samples_by_round_in_a_file(optkit: Optkit, shelf: Path, place: Path) -> None:
    shown = rows_of(optkit, shelf / "model.xml", "--raw", "raw.json")
    (kept,) = json.loads(Path("raw.json").read_text())["benchmark"]
    assert sum(map(len, kept["raw_ms"])) == kept["samples"] == shown[0]["samples"]
    told = {key: value for key, value in kept.items() if key not in {"raw_ms", "waited"}}
    assert told == shown[0]
    assert sum(kept["histogram"]["counts"]) == kept["samples"]


def test_a_page_with_pictures(optkit: Optkit, shelf: Path, place: Path) -> None:
    ended = optkit(
        "bench", shelf / "model.xml", shelf / "model.onnx", *QUICK, "--profile", "--report",
        "bench.html", "-q",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    page = Path("bench.html").read_text()
    assert "Latencies, single-stream" in page
    assert "Roofline, model.xml in openvino on CPU" in page
    assert "model.onnx CPU: median" in page  # in words too


def test_a_file_that_cannot_be_written(optkit: Optkit, shelf: Path) -> None:
    ended = optkit("bench", shelf / "model.xml", *QUICK, "--raw", "/dev/null/raw.json")
    assert ended.code == 2
    assert "error: cannot write /dev/null/raw.json: no such folder" in ended.err


def test_a_refused_setting_is_told_and_the_rest_timed(optkit: Optkit, shelf: Path) -> None:
    arguments = (shelf / "model.xml", shelf / "model.onnx", "--infer-precision", "f32,bf16")
    first, _, second, refused = rows_of(optkit, *arguments)
    assert first["latency_ms"]["p50"] > 0
    assert second["speedup"]["against"] == "model.xml"
    assert refused["error"]["exit"] == 2
    told = refused["error"]["message"]
    assert told.startswith("ONNX Runtime computes in the model's own precision")
    assert "latency_ms" not in refused
    ended = optkit("bench", *arguments, *QUICK)
    assert ended.code == 0
    assert "failed" in ended.out
    assert "model.onnx (bf16): ONNX Runtime computes in the model's own precision" in ended.out


def test_where_everything_is_refused_the_first_cause_is_told(
    refused: Callable[..., None], shelf: Path
) -> None:
    refused(
        "bench", shelf / "model.onnx", "--device", "GPU", *QUICK,
        cause="ONNX Runtime has no device 'GPU' here", fix="one of CPU…",
    )  # fmt: skip


def test_a_baseline_that_failed_leaves_no_speedups(optkit: Optkit, shelf: Path) -> None:
    first, second = rows_of(optkit, shelf / "model.onnx", "--device", "GPU", "--device", "CPU")
    assert first["error"]["exit"] == 2
    assert second["speedup"] is None
    assert second["latency_ms"]["p50"] > 0


def test_several_scenarios(optkit: Optkit, shelf: Path) -> None:
    rows = rows_of(
        optkit, shelf / "model.xml", shelf / "model.onnx", "--scenario", "single-stream,offline"
    )
    assert [row["scenario"] for row in rows] == ["single-stream"] * 2 + ["offline"] * 2
    assert [row["speedup"] is None for row in rows] == [True, False, True, False]


def test_a_server_holds_its_bound(optkit: Optkit, shelf: Path) -> None:
    ended = optkit(
        "bench", shelf / "model.xml", "--scenario", "server", "--latency-bound-ms", 50, *QUICK
    )
    assert ended.code == 0, ended.err
    assert "server, p99 within 50 ms, CPU" in ended.out
    assert "load" in ended.out


@pytest.mark.parametrize(
    ("flags", "cause", "fix"),
    [
        (("--compare", "all"), "--compare: there is no table 'all'",
         "one of api, hint, streams-batch, precision, devices"),
        (("--hint", "quick"), "--hint: there is no 'quick'",
         "one of latency, throughput, cumulative_throughput, none"),
        (("--streams", "1,none"), "--streams: 'none' is no count",
         "write whole numbers from 1, by comma"),
        (("--batch", ","), "--batch: no value given", "write --batch with values, by comma"),
        (("--scenario", "burst"), "unknown scenario 'burst'",
         "one of multi-stream, offline, server, single-stream"),
        (("--latency-bound-ms", "0"), "latency_bound_ms is 0", "give a number above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_bad_words(
    refused: Callable[..., None], shelf: Path, flags: tuple[str, ...], cause: str, fix: str
) -> None:
    refused("bench", shelf / "model.xml", *flags, cause=cause, fix=fix)


def test_the_table_fits_80_columns(
    optkit: Optkit, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ended = optkit(
        "bench", shelf / "model.xml", shelf / "model.onnx", "--hint", "latency,throughput",
        "--batch", "1,2", *QUICK,
    )  # fmt: skip
    _done, head, *rest = (line.rstrip() for line in ended.out.splitlines() if line.strip())
    assert head == "single-stream, CPU"
    assert rest[0].split() == ["p50", "p99", "inputs"]
    assert rest[1].split() == ["model", "hint", "batch", "ms", "ms", "per", "s", "speedup"]
    table = rest[: rest.index("openvino runs model.xml; onnxruntime runs model.onnx")]
    assert max(map(len, table)) <= 80
    rows = [line.split() for line in table if line.startswith(" model.")]
    assert [row[1:3] for row in rows] == [
        ["latency", "1"],
        ["latency", "2"],
        ["throughput", "1"],
        ["throughput", "2"],
    ] * 2
    ratios = [row[6:8] for row in rows if "failed" not in row][1:]
    assert all(re.fullmatch(r"[\d.]+x [\d.]+-[\d.]+", " ".join(ratio)) for ratio in ratios)


def interrupted(shelf: Path, store: Path, place: Path, *flags: str) -> tuple[int, str, str]:
    """A command that is stopped once it measures: exit code, standard output, the terminal."""
    command = [
        sys.executable, "-m", "optkit", "bench", str(shelf / "model.xml"),
        str(shelf / "model.onnx"), "--seconds", "60", *flags,
    ]  # fmt: skip
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        command, cwd=place, env=environment(store, COLUMNS="100", TERM="xterm", NO_COLOR=""),
        text=True,
        stdout=subprocess.PIPE if "--json" in flags else terminal, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    seen, asked, patience = "", False, time.monotonic() + 120
    while time.monotonic() < patience:
        try:
            seen += os.read(ours, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        if not asked and re.search(r"[1-9]\d*/120", seen):  # seconds measured, of both models
            os.kill(process.pid, signal.SIGINT)
            asked = True
    out, _ = process.communicate(timeout=60)
    assert asked, seen
    return process.returncode, out, seen


def test_interrupted_it_prints_what_was_measured(shelf: Path, store: Path, place: Path) -> None:
    code, _, seen = interrupted(shelf, store, place, "--raw", "raw.json")
    assert code == 130, seen
    assert "single-stream, CPU" in seen
    assert "per s" in seen
    kept = json.loads((place / "raw.json").read_text())["benchmark"]
    assert all(row["samples"] == sum(map(len, row["raw_ms"])) > 0 for row in kept)


def test_interrupted_it_is_one_document(shelf: Path, store: Path, place: Path) -> None:
    code, out, seen = interrupted(shelf, store, place, "--json")
    assert code == 130, seen
    document = json.loads(out)
    assert (document["error"]["message"], document["error"]["exit"]) == ("interrupted", 130)
    rows = document["benchmark"]
    assert [row["artifact"] for row in rows] == ["model.xml", "model.onnx"]
    assert all(row["latency_ms"]["p50"] > 0 for row in rows)
