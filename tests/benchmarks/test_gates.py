"""Claims: an unchanged model is never red, one that was made 20 % slower hardly ever green.

Twenty repeats of a run against a committed baseline, the cores kept busy in bursts. Unchanged: no
gate is missed. With 24 layers where there were 20: the run is gated at least 19 times.
"""

import collections
import os

import pytest
from timing import busy_in_bursts, onnx_stack

from optkit.core.errors import Exit
from optkit.engine.baseline.update import from_folder, keep
from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import load_recipe

pytestmark = pytest.mark.bench

REPEATS = int(os.environ.get("OPTKIT_BENCH_REPEATS", "20"))
SECONDS = float(os.environ.get("OPTKIT_BENCH_SECONDS", "3"))
GATES = ("latency_ms_p50", "throughput_per_s", "speedup_vs_source", "speedup_vs_baseline")
RECIPE = f"""\
optkit: 1
model: {{path: stack.onnx}}
to: ir
baseline: baseline.json
benchmark: {{seconds: {SECONDS:g}, threads: 1}}
gates:
  latency_ms_p50: {{max_increase: 10%}}
  throughput_per_s: {{max_decrease: 10%}}
  speedup_vs_source: {{max_decrease: 10%}}
  speedup_vs_baseline: {{min: 0.9}}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A model with its recipe, and a baseline taken of it."""
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    onnx_stack(20, tmp_path / "stack.onnx")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    result = run(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "out", Wishes(anew=True))
    keep(from_folder(result.folder), tmp_path / "baseline.json", force=False)
    return tmp_path


def repeated(place):
    """How often each gate got each verdict, speeds against the baseline, how often it was red."""
    verdicts, changes, red = collections.Counter(), [], 0
    loaded = load_recipe(place / "recipe.yaml")
    with busy_in_bursts():
        for _ in range(REPEATS):
            result = run(loaded, place / "out", Wishes(remeasure=True))
            red += result.exit_code is Exit.GATED
            rows = {row["name"]: row for row in result.manifest["gates"]}
            verdicts.update((name, rows[name]["verdict"]) for name in GATES)
            changes.append(rows["speedup_vs_baseline"]["value"])
    return verdicts, changes, red


def told(verdicts, changes, red):
    rows = [("red", red), ("speed against the baseline from", min(changes)), ("to", max(changes))]
    return rows + [(f"{name}: {word}", count) for (name, word), count in sorted(verdicts.items())]


def test_an_unchanged_model_is_never_red(table, place) -> None:
    found = repeated(place)
    table(f"{REPEATS} repeats of an unchanged model on busy cores (red: none)", told(*found))
    assert found[-1] == 0
    assert not [name for name, word in found[0] if word == "missed"]


def test_a_model_made_a_fifth_slower_is_caught(table, place) -> None:
    onnx_stack(24, place / "stack.onnx")
    found = repeated(place)
    table(f"{REPEATS} repeats of a model with a fifth more work (red: 19 of 20)", told(*found))
    assert found[-1] >= 0.95 * REPEATS
