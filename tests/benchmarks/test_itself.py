"""Claim: measured against itself, a model comes out as fast as itself."""

import json
import subprocess
import sys

import pytest
from measuring import EXAMPLE

pytestmark = pytest.mark.bench


def test_a_model_is_as_fast_as_itself(table, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    twin = tmp_path / "twin.pt"
    twin.write_bytes((EXAMPLE / "digits.pt").read_bytes())
    command = [sys.executable, "-m", "optkit", "bench", EXAMPLE / "digits.pt", twin, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    speedup = json.loads(done.stdout)["benchmark"][1]["speedup"]
    low, high = speedup["ci95"]
    table(
        "digits against itself",
        [("speedup (0.9 to 1.1)", speedup["value"]), ("interval from", low), ("to", high)],
    )
    assert 0.9 < speedup["value"] < 1.1
