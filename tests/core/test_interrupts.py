"""Ctrl-C takes effect wherever it strikes, and ends a command with 130."""

import os
import subprocess
import sys
from pathlib import Path

SWALLOWED = """
import os, signal
from optkit.core.events import Event, silent, unfailing
from optkit.core.interrupts import remember_interrupts

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

remember_interrupts()
listen = unfailing(silent)
listen(Event("start", "work"))
closing = Closing()
del closing
print("goes on")
try:
    listen(Event("end", "work"))
except KeyboardInterrupt:
    print("interrupted")
listen(Event("start", "more work"))
"""

IN_GENERATED_CODE = """
import os, signal
from optkit.cli import main
from optkit.core.errors import Exit

def run_command(arguments):
    try:
        exec(f"import os; os.kill({os.getpid()}, {signal.SIGINT}); sum(range(10**6)); 1 + 1")
    except KeyboardInterrupt:
        print("told")
        return Exit.INTERRUPTED

main.run_command = run_command
main.main()
"""


def ended(code: str, place: Path) -> subprocess.CompletedProcess[str]:
    """As `python -m` runs it: there alone Python looks for unhandled interrupts at its end."""
    (place / "interrupted.py").write_text(code)
    return subprocess.run(
        [sys.executable, "-m", "interrupted"],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": f"{place}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip


def test_an_interrupt_that_was_swallowed_is_raised_at_the_next_event(tmp_path: Path) -> None:
    done = ended(SWALLOWED, tmp_path)
    assert "Exception ignored in" in done.stderr
    assert done.stdout.splitlines() == ["goes on", "interrupted"]
    assert done.returncode == 0


def test_an_interrupt_of_generated_code_ends_with_130(tmp_path: Path) -> None:
    done = ended(IN_GENERATED_CODE, tmp_path)
    assert done.stdout == "told\n"
    assert done.returncode == 130
