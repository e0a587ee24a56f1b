"""Where the time of models goes, operation by operation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from optkit.benchmark.peaks import Peaks, measured_peaks
from optkit.benchmark.profile import profile
from optkit.benchmark.roofline import Row
from optkit.benchmark.spec import Contender
from optkit.core.errors import OptkitError
from optkit.core.events import Event, Listener, unfailing
from optkit.core.store import Store
from optkit.engine.bench import Bench, contenders
from optkit.engine.devices import PROCESSOR
from optkit.engine.workplace import Wishes, workplace


def profile_models(bench: Bench, wishes: Wishes, listen: Listener) -> list[Row]:
    """Profile every model with every setting, one inference at a time.

    Returns:
        Rows of `optkit.benchmark.profile.profile`. A device whose peaks cannot be measured has
        times and rates without shares of a peak.

    Raises:
        OptkitError: bad input.
        Interrupted: with the rows so far.
    """
    listen = unfailing(listen)
    with workplace(wishes) as store, tempfile.TemporaryDirectory() as folder:
        every = list(contenders(bench, store, Path(folder), wishes))
        found = {key: _peaks(store, key, listen) for key in map(_measured_as, every)}
        listen(Event("start", "profile", ""))
        rows = profile(
            every,
            lambda contender: found[_measured_as(contender)],
            seconds=bench.seconds,
            listen=lambda done, total: listen(Event("progress", "profile", "", done, total)),
        )
        listen(Event("end", "profile", "done"))
    return rows


def _measured_as(contender: Contender) -> tuple[str, str]:
    """The runtime and device through which a contender's device is measured."""
    device = contender.settings.device
    return PROCESSOR if device == "CPU" else (contender.runtime, device)


def _peaks(store: Store, key: tuple[str, str], listen: Listener) -> Peaks | None:
    title = f"peaks of {key[1]}"
    listen(Event("start", title, ""))
    try:
        found = measured_peaks(store, *key)
    except OptkitError as error:
        listen(Event("end", title, error.message))
        return None
    listen(Event("end", title, "known"))
    return found
