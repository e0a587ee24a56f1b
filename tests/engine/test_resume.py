"""Killed, interrupted or in company: a run ends with the bytes of an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from running import DIGITS, content, finished, left_in_staging, optkit

ARGUMENTS = (
    "run", DIGITS / "recipe.yaml", "--set", "benchmark=false", "-q",
    "--set", "passes=[{quantize_int8: {effort: fast}}]",
)  # fmt: skip


def start(folder, store):
    return optkit(*ARGUMENTS, "-o", folder, env={**os.environ, "OPTKIT_CACHE_DIR": str(store)})


def steps(folder):
    return json.loads((folder / "optkit.json").read_text())["steps"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """An output folder, and how long it took."""
    place = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    assert finished(start(place / "out", place / "store")) == 0
    return place / "out", time.monotonic() - began


def test_killed_at_any_moment_it_goes_on_from_the_last_finished_step(undisturbed, tmp_path):
    """Eight runs are killed at random moments, each going on where the one before got to."""
    whole, seconds = undisturbed
    chance = random.Random(0)
    store, out = tmp_path / "store", tmp_path / "out"
    kept = 0
    for _ in range(8):
        run = start(out, store)
        with suppress(subprocess.TimeoutExpired):
            run.wait(chance.uniform(0.1, 0.9) * seconds)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        now = sorted((store / "v2" / "steps").glob("*/*/record.json"))
        assert len(now) >= kept
        kept = len(now)
    assert finished(start(out, store)) == 0
    assert content(out) == content(whole)
    assert left_in_staging(store) == []
    assert sum(step["cached"] for step in steps(out)) >= min(kept, len(steps(out)))
    assert finished(start(out, store)) == 0
    assert all(step["cached"] for step in steps(out))
    assert content(out) == content(whole)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out.")] == []


def scores(store):
    """Files of what the ranking of layers has scored so far: dB as text, and the drop."""
    facts = (store / "v2" / "facts").glob("*/*.json")
    values = {path: json.loads(path.read_text())["value"] for path in facts}
    return {
        path: path.stat().st_ino
        for path, value in values.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    }


def test_killed_while_layers_are_ranked_it_scores_none_twice(tmp_path):
    """A bound out of reach: every layer is ranked, the run killed after the second."""
    store, out = tmp_path / "store", tmp_path / "out"
    ranking = ("--set", "passes=[{quantize_int8: {effort: fast, min_sqnr_db: 500}}]")
    environment = {**os.environ, "OPTKIT_CACHE_DIR": str(store)}
    run = optkit(*ARGUMENTS[:-2], *ranking, "-o", out, env=environment)
    while len(scores(store)) < 2:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    kept = scores(store)
    assert finished(optkit(*ARGUMENTS[:-2], *ranking, "-o", out, env=environment)) == 3
    now = scores(store)
    assert kept.items() <= now.items()
    assert len(now) > len(kept)
    (step,) = [one for one in steps(out) if one["pass"] == "quantize_int8"]
    assert step["details"]["reverted"]


def test_two_runs_at_once_on_one_store(undisturbed, tmp_path):
    outs = [tmp_path / "one", tmp_path / "two"]
    runs = [start(out, tmp_path / "store") for out in outs]
    assert [finished(run) for run in runs] == [0, 0]
    assert content(outs[0]) == content(outs[1]) == content(undisturbed[0])
    assert left_in_staging(tmp_path / "store") == []


def test_an_interrupt_keeps_what_finished(undisturbed, tmp_path):
    """Ctrl-C once a step is kept: exit 130, no output, nothing half-done."""
    store = tmp_path / "store"
    run = start(tmp_path / "out", store)
    while not list((store / "v2" / "steps").glob("*/*/record.json")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert finished(start(tmp_path / "out", store)) == 0
    assert left_in_staging(store) == []
    assert steps(tmp_path / "out")[0]["cached"]
    assert content(tmp_path / "out") == content(undisturbed[0])


def test_a_store_that_cannot_be_written_ends_with_2(tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = start(tmp_path / "out", tmp_path / "file" / "store")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "OPTKIT_CACHE_DIR" in said
    assert "Traceback" not in said
