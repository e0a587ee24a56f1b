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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

from optkit.benchmark.spec import Contender, Plan, plan_to_json
from optkit.core.errors import OptkitError

CHILD = (sys.executable, "-P", "-m", "optkit.benchmark.child")


@dataclass
class Child:
    """A running process, the file that takes what libraries print, and whether it is at rest."""

    process: subprocess.Popen[bytes]
    chatter: IO[str]
    idle: bool = True

    def ask(self, plan: Plan) -> None:
        """Give it a plan."""
        assert self.process.stdin is not None
        self.idle = False
        with contextlib.suppress(BrokenPipeError):  # it died: its last words tell why
            self.process.stdin.write(json.dumps(plan_to_json(plan)).encode() + b"\n")
            self.process.stdin.flush()

    def words(self, silence: float) -> Iterator[dict[str, Any]]:
        """What it says to a plan, until it is done; asleep in between, so that no core is taken.

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
            for word in map(json.loads, lines):
                self.idle = word["event"] == "done"
                yield word
                if self.idle:
                    return


Speak = Callable[[Plan], AbstractContextManager[Child]]
"""Gives a plan to a process, for as long as it is listened to."""


@contextlib.contextmanager
def speak(plan: Plan, child: Sequence[str] = CHILD) -> Iterator[Child]:
    """Start a process and give it its plan; at the end nothing is left of it."""
    with _started(child) as started:
        started.ask(plan)
        yield started


@contextlib.contextmanager
def kept_open() -> Iterator[Speak]:
    """What gives plan after plan to one process, so that libraries are imported once.

    A process that ended, hangs or is not listened to any more makes way for another.
    """
    with contextlib.ExitStack() as stack:
        known: list[Child] = []

        @contextlib.contextmanager
        def speak_again(plan: Plan) -> Iterator[Child]:
            if known and known[0].process.poll() is not None:  # between two plans
                known.clear()
                stack.close()
            if not known:
                known.append(stack.enter_context(_started(CHILD)))
            (child,) = known
            child.ask(plan)
            try:
                yield child
            finally:
                if not child.idle:
                    known.clear()
                    stack.close()

        yield speak_again


@contextlib.contextmanager
def _started(child: Sequence[str]) -> Iterator[Child]:
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
        try:
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
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # of a plan that it did not live to read
                pipe.close()
