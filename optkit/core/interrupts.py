"""Ctrl-C that no library can swallow.

A `KeyboardInterrupt` that is raised inside a destructor, or inside a callback out of native code,
goes no further than a message on stderr. So it is remembered too, and takes effect where the engine
next tells of its progress.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_asked = threading.Event()


def remember_interrupts() -> None:
    """From now on, Ctrl-C is remembered as well as raised; for the main thread of a program."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        _asked.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, ask)


def check_interrupt() -> None:
    """Raise the interrupt that was asked for and has not ended the work yet.

    Raises:
        KeyboardInterrupt: once for each Ctrl-C.
    """
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt
