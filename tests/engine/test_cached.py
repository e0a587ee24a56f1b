"""A run whose every step is kept loads no library that makes or runs networks."""

import json
import os
import subprocess
import sys

import pytest
from conftest import DIGITS, left_in_staging

RUN = """
import json, sys
from optkit.cli.main import run_command
code = run_command(sys.argv[1:])
heavy = ("torch", "nncf", "openvino", "onnx", "onnxruntime", "onnxsim", "PIL", "safetensors")
print(json.dumps([code, [name for name in heavy if name in sys.modules]]))
"""


@pytest.mark.parametrize("benchmark", [True, False])
def test_a_cached_run_imports_no_heavy_library(benchmark, tmp_path, store):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"optkit: 1\nmodel: {{path: {DIGITS}/digits.pt}}\nto: [ir, onnx]\n"
        f"data: {{calibration: {{path: {DIGITS}/calibration.npz}}}}\n"
        f"precision: int8\nbenchmark: {'{seconds: 0.2}' if benchmark else 'false'}\n"
    )

    def run():
        done = subprocess.run(
            [sys.executable, "-c", RUN, "run", str(recipe), "-q", "-o", str(tmp_path / "out")],
            env={**os.environ, "OPTKIT_CACHE_DIR": str(store)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        code, loaded = json.loads(done.stdout.splitlines()[-1])
        assert code in {0, 3}, done.stderr
        return loaded

    assert "torch" in run()
    assert run() == []
    assert left_in_staging(store) == []
