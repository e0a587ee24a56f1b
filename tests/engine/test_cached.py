"""A run whose every step is kept loads no library that makes or runs networks."""

import json
import os
import subprocess
import sys

from running import DIGITS, left_in_staging

RUN = """
import json, sys
from optkit.cli.main import run_command
code = run_command(sys.argv[1:])
heavy = ("torch", "nncf", "openvino", "onnx", "onnxruntime", "onnxsim", "PIL", "safetensors")
print(json.dumps([code, [name for name in heavy if name in sys.modules]]))
"""


def test_a_cached_run_imports_no_heavy_library(tmp_path, store):
    """The first run is timed; both a timed and an untimed one after it find everything kept."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"optkit: 1\noutside: {DIGITS}\nmodel: {{path: {DIGITS}/digits.pt}}\n"
        "to: ir\nprecision: int8\n"
        f"data: {{calibration: {{path: {DIGITS}/calibration.npz}}}}\nbenchmark: {{seconds: 0.2}}\n"
    )

    def run(*more):
        asked = ["run", str(recipe), "-q", "-o", str(tmp_path / "out"), *more]
        done = subprocess.run(
            [sys.executable, "-c", RUN, *asked], check=True, capture_output=True, text=True,
            env={**os.environ, "OPTKIT_CACHE_DIR": str(store)},
        )  # fmt: skip
        code, loaded = json.loads(done.stdout.splitlines()[-1])
        assert code in {0, 3}, done.stderr
        return loaded

    assert "torch" in run()
    assert run() == []
    assert run("--set", "benchmark.enabled=false") == []
    assert left_in_staging(store) == []
