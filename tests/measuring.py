"""Shared by the performance claims: child processes and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[1] / "examples" / "01_digits"


def child_cpu(arguments: list[str], env: dict[str, str] | None = None) -> float:
    """CPU seconds of a child process, user and system together."""
    before = os.times()
    subprocess.run(arguments, check=True, capture_output=True, env={**os.environ, **(env or {})})
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def python(code: str, *arguments: str, env: dict[str, str] | None = None) -> Any:
    """Run code in a fresh interpreter; what it prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
