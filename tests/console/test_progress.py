"""How far a long step has come: lines in a log, now and then."""

from __future__ import annotations

import importlib
import io

import pytest
from rich.console import Console as Rich

from optkit.console.stream import Console
from optkit.core.events import Event


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch):
    """A clock to be set, the lines that a log has got, and a listener that writes them."""
    drawn = importlib.import_module("optkit.console.progress")
    now = [0.0]
    monkeypatch.setattr(drawn.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with drawn.progress(Console(out, Rich(file=out, force_terminal=False))) as listen:
        yield now, out, listen


def test_a_log_is_told_every_quarter_of_a_minute_with_the_loss(log):
    """Given 480 steps of a tenth of a second; Result: three lines, each with the loss so far."""
    now, out, listen = log
    listen(Event("start", "recover", "torchscript"))
    for done in range(1, 481):
        now[0] = done / 10
        listen(Event("progress", "recover", f"loss {1 / done:.4f}", done, 480))
    listen(Event("end", "recover", "done"))
    assert out.getvalue().splitlines() == [
        "recover: 150 of 480, loss 0.0067",
        "recover: 300 of 480, loss 0.0033",
        "recover: 450 of 480, loss 0.0022",
        "recover: done (48.0 s)",
    ]
