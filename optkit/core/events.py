"""What the engine tells while it works; the console draws it, a CI log prints it line by line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from optkit.core.interrupts import check_interrupt


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: `start` and `end` frame a piece of work, `progress` counts within it, `note` is a
            line worth reading by itself.
        title: the piece of work: a step's name, `validate`, `benchmark`.
        text: what to say of it.
        done: units finished.
        total: units in all; None where that is not known.
    """

    kind: Literal["start", "progress", "end", "note"]
    title: str
    text: str = ""
    done: int = 0
    total: int | None = None


Listener = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The listener that draws nothing."""


def unfailing(listen: Listener) -> Listener:
    """The listener, its exceptions dropped: a display that breaks must not fail a step.

    Telling is also where a Ctrl-C takes effect that a library has swallowed.
    """

    def tell(event: Event) -> None:
        check_interrupt()
        with suppress(Exception):
            listen(event)

    return tell
