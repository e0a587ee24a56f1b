"""What only a process of its own shows: signals, streams, terminals."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import environment, spawn, staged

ESCAPE = "\x1b"


def test_ctrl_c_keeps_what_is_finished(
    optkit: Callable[..., object],
    shelf: Path,
    place: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = tmp_path_factory.mktemp("fresh")
    command = ["convert", str(shelf / "traced.pt"), "--to", "ir", "--precision", "int8",
               "--no-benchmark"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "optkit", *command],
        env=environment(store),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("emit_ir: done")
    process.send_signal(signal.SIGINT)  # during quantize_int8
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines() == [
        "error: interrupted",
        "  fix: finished steps are kept: the same command goes on from there",
    ]
    assert list(place.iterdir()) == []
    assert staged(store) == []
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(store))
    ended = optkit(*command)
    assert ended.code == 0
    assert ended.out.startswith("emit_ir: cached")


@pytest.mark.parametrize(("target", "flag"), [("onnx", "--json"), ("ir", "--json -v")])
def test_standard_output_holds_the_document_alone(
    shelf: Path, store: Path, target: str, flag: str
) -> None:
    ended = spawn(
        "convert", shelf / "traced.pt", "--to", target, "--precision", "int8", "--remeasure",
        "--no-cache", "--no-benchmark", *flag.split(), env=environment(store),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["status"] == "ok"
    assert "quantize_int8: done" in ended.stderr
    assert ESCAPE not in ended.stdout + ended.stderr


def on_a_terminal(*arguments: object, env: dict[str, str]) -> str:
    """What a command writes where its streams are a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "optkit", *map(str, arguments)],
        env={**env, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(ours)
    process.wait(timeout=60)
    return written.decode()


def test_colour_is_for_terminals(
    shelf: Path, store: Path, monkeypatch: pytest.MonkeyPatch, optkit: Callable[..., object]
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    command = (
        "convert",
        shelf / "traced.pt",
        "--to",
        "ir",
        "--no-benchmark",
        "--gate",
        "cosine>=2",
    )
    coloured = on_a_terminal(*command, env=environment(store))
    assert ESCAPE in coloured
    assert "a gate was missed" in coloured
    plain = on_a_terminal(*command, env=environment(store, NO_COLOR="1"))
    assert ESCAPE not in plain
    assert "a gate was missed" in plain
    assert ESCAPE in on_a_terminal("inspect", "gone.pt", env=environment(store))
    assert ESCAPE not in on_a_terminal("inspect", "gone.pt", env=environment(store, NO_COLOR="1"))
    ended = optkit(*command)
    assert ESCAPE not in ended.out + ended.err


def test_a_reader_that_leaves_is_told_nothing(store: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "optkit", "passes", "--json"],
        env=environment(store),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(timeout=60)
