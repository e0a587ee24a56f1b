"""Claims: of 20 pairs that differ by 5 % at least 18 are told, of 20 identical ones at most one.

The pairs are stacks of 20 and 19 equal layers: 5.3 % by the layers, hardly less by the clock.
"""

import json
import subprocess
import sys

import pytest
from measuring import EXAMPLE
from timing import measured, stack

from optkit.benchmark.run import compare

pytestmark = pytest.mark.bench

PAIRS = 20


def test_verdicts_are_right(table, tmp_path) -> None:
    long, short = stack(20, tmp_path / "long.xml"), stack(19, tmp_path / "short.xml")
    unequal, alike, values, covered = [], [], [], 0
    for at in range(PAIRS):
        swapped = at % 2 == 1
        pair = (short, long) if swapped else (long, short)
        base, row = measured({"base": pair[0], "other": pair[1]}, tmp_path, seed=at)
        told = compare(row, base)
        unequal.append(told["verdict"] == ("slower" if swapped else "faster"))
        values.append(1 / told["value"] if swapped else told["value"])
        base, row = measured({"base": long, "other": long}, tmp_path, seed=at)
        told = compare(row, base)
        alike.append(told["verdict"])
        covered += told["ci95"][0] <= 1 <= told["ci95"][1]
    called = alike.count("faster") + alike.count("slower")
    table(
        f"verdicts on {PAIRS} pairs that differ by 5 % and {PAIRS} that do not",
        [("differences told (at least 18)", sum(unequal)),
         ("ratios from", min(values)), ("ratios to", max(values)),
         ("identical pairs called different (at most 1)", called),
         ("identical pairs told to be no different", alike.count("no difference")),
         ("intervals of identical pairs that hold 1", covered)],
    )  # fmt: skip
    assert sum(unequal) >= 18
    assert called <= 1


def test_a_model_is_as_fast_as_itself(table, tmp_path, monkeypatch) -> None:
    """As a user measures it: two files of the same bytes, from the command line."""
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    twin = tmp_path / "twin.pt"
    twin.write_bytes((EXAMPLE / "digits.pt").read_bytes())
    command = [sys.executable, "-m", "optkit", "bench", EXAMPLE / "digits.pt", twin, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    speedup = json.loads(done.stdout)["benchmark"][1]["speedup"]
    low, high = speedup["ci95"]
    table(
        "digits against itself",
        [("speedup (0.9 to 1.1)", speedup["value"]), ("interval from", low), ("to", high),
         ("verdict", speedup["verdict"])],
    )  # fmt: skip
    assert 0.9 < speedup["value"] < 1.1
    assert speedup["verdict"] not in {"faster", "slower"}
