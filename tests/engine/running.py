"""Whole runs, looked at from outside."""

import subprocess
import sys
from pathlib import Path

from optkit.core.store import LAYOUT

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"


def cached(result):
    return [step["cached"] for step in result.manifest["steps"]]


def optkit(*arguments, **options):
    """The command in a process of its own, not waited for."""
    command = [sys.executable, "-m", "optkit", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, **options)


def finished(process):
    """Its exit code, after it ended; a failure shows what it said."""
    out, err = process.communicate(timeout=120)
    assert process.returncode in {0, 3}, out + err
    return process.returncode


def left_in_staging(store):
    return sorted((store / LAYOUT / "staging").iterdir())


def content(folder, *besides):
    """The bytes of every model file in an output folder."""
    told = {"optkit.json", "optkit.lock", "recipe.yaml", "report.html", *besides}
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name not in told and not path.name.endswith(".samples.npz")
    }
