"""The measuring process, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from optkit.benchmark.spec import Contender, Plan, plan_to_json
from optkit.core.errors import OptkitError

CHILD = (sys.executable, "-P", "-m", "optkit.benchmark.child")


@dataclass(frozen=True)
class Child:
    """A running process, and the file that takes what libraries print."""

    process: subprocess.Popen[bytes]
    chatter: IO[str]

    def words(self, silence: float) -> Iterator[dict[str, Any]]:
        """What it says, until it says no more; asleep in between, so that no core is taken.

        Raises:
            TimeoutError: nothing for `silence` seconds.
        """
        assert self.process.stdout is not None
        pipe, rest = self.process.stdout.fileno(), b""
        while True:
            if not select.select([pipe], [], [], silence)[0]:
                raise TimeoutError
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                self.process.wait()
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)


@contextlib.contextmanager
def speak(plan: Plan, child: Sequence[str] = CHILD) -> Iterator[Child]:
    """Start a process and give it its plan; at the end nothing is left of it."""
    # Idle OpenMP threads that never stop spinning would slow every other model of the plan; the
    # rest between turns outlasts libgomp's default and one millisecond of libiomp's.
    env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    with tempfile.TemporaryFile("w+") as chatter:
        process = subprocess.Popen(
            child,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=chatter,
            env=env | {"KMP_BLOCKTIME": "1"},
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once: its last words tell why
                process.stdin.write(json.dumps(plan_to_json(plan)).encode())
                process.stdin.close()
            yield Child(process, chatter)
        finally:
            _end(process)


def crashed(contender: Contender, doing: str, child: Child) -> OptkitError:
    """What to say of a process that ended before its time."""
    child.chatter.seek(0)
    lines = [line.strip() for line in child.chatter if line.strip()]
    code = child.process.returncode
    died = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    said = f"; it said: {lines[-1][:300]}" if lines else ""
    return OptkitError(
        f"{contender.name} ({contender.runtime}) crashed while {doing}: {died}{said}",
        "leave this model or runtime out, or run it alone to see more",
    )


def hung(contender: Contender, doing: str, silence: float) -> OptkitError:
    """What to say of a process that says nothing any more."""
    return OptkitError(
        f"{contender.name} hangs: no sign of life for {silence:g} s while {doing}",
        "measure it alone, with one thread, or leave it out",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the child behind, nor of what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
