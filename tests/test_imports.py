"""What a command loads: proven by `sys.modules`, not by a stopwatch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[1] / "examples" / "01_digits" / "recipe.yaml"
HEAVY = {
    "torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "onnxsim", "openvino", "nncf", "numpy",
}  # fmt: skip


def modules_after(*arguments: str) -> set[str]:
    """The top-level modules in the process once a command line has run."""
    code = (
        "import json, sys\n"
        "from optkit.cli.main import run_command\n"
        f"code = run_command({list(arguments)!r})\n"
        "names = sorted({name.partition('.')[0] for name in sys.modules})\n"
        "print('\\n' + json.dumps([code, names]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, names = json.loads(done.stdout.splitlines()[-1])
    assert exit_code == 0, done.stderr
    return set(names)


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_help_loads_nothing_heavy(command: str) -> None:
    assert not modules_after(command) & (HEAVY | {"pydantic", "rich", "yaml"})


def test_the_help_of_every_command_loads_nothing_heavy() -> None:
    from optkit.cli.main import COMMANDS

    for name in COMMANDS:
        assert not modules_after(name, "--help") & HEAVY, name


def test_lint_loads_pydantic_alone() -> None:
    loaded = modules_after("lint", str(RECIPE))
    assert "pydantic" in loaded
    assert not loaded & (HEAVY | {"rich"})
