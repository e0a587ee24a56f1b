"""Claim: INT8 costs the digits model at most 0.01 accuracy and makes its IR 3x smaller."""

import json

import pytest
from measuring import EXAMPLE

from optkit.cli.main import run_command

pytestmark = pytest.mark.bench


def test_digits_in_int8(table, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    out = tmp_path / "out"
    assert run_command(["run", str(EXAMPLE / "recipe.yaml"), "-o", str(out), "-q"]) == 0
    manifest = json.loads((out / "optkit.json").read_text())
    (artifact,), (proof,) = manifest["artifacts"], manifest["validation"]
    smaller = 1 / artifact["size_ratio"]
    drop = proof["metric"]["drop"]
    table(
        f"digits in INT8, {proof['samples']} validation samples",
        [("accuracy drop (at most 0.01)", drop),
         ("IR smaller than FP32's, times (at least 3)", smaller)],
    )  # fmt: skip
    assert drop <= 0.01
    assert smaller >= 3
