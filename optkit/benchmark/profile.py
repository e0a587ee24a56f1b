"""Where the time of an inference goes: each operation against the measured peaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optkit.benchmark.peaks import Peaks
from optkit.benchmark.process import crashed, hung, speak
from optkit.benchmark.roofline import Row, between, by_type, judged, rates
from optkit.benchmark.run import Interrupted
from optkit.benchmark.spec import Contender, Plan
from optkit.core.errors import Exit, OptkitError

CHILD = (sys.executable, "-P", "-m", "optkit.benchmark.profiling.child")


def profile(
    contenders: Sequence[Contender],
    peaks: Callable[[Contender], Peaks | None],
    *,
    seconds: float = 3.0,
    silence: float = 300.0,
    listen: Callable[[int, int], None] = lambda _, __: None,
) -> list[Row]:
    """Profile models one after another, each in a process of its own.

    One inference at a time is profiled, whatever the scenario of a benchmark would be.

    Args:
        contenders: the models.
        peaks: what a model's device can do at most; None where that is not known.
        seconds: spent on each, beside loading and warming up.
        silence: seconds without a word after which a process counts as hung.
        listen: is told how many models are done, of how many.

    Raises:
        Interrupted: with the rows so far.

    Returns:
        For each: `artifact`, `runtime`, `device`, `settings`, `inferences`, `latency_ms` (the mean
        while profiled), `unprofiled_ms` (the same without), `operations_ms`, `operations` (the
        longest first, then what is left between them: their `share` adds up to 1), `by_type`,
        and `peaks`, those it was judged by; or `error` in place of figures.
    """
    rows: list[Row] = []
    for at, contender in enumerate(contenders):
        listen(at, len(contenders))
        row: Row = {
            "artifact": contender.name,
            "runtime": contender.runtime,
            "device": contender.settings.device,
        }
        try:
            found = _asked(contender, seconds, silence)
        except KeyboardInterrupt:
            raise Interrupted(rows) from None
        except OptkitError as error:
            row["error"] = {"message": error.message, "hint": error.hint}
        else:
            row |= _document(found, peaks(contender))
        rows.append(row)
    listen(len(contenders), len(contenders))
    return rows


def _asked(contender: Contender, seconds: float, silence: float) -> dict[str, Any]:
    """What the child says of one model.

    Raises:
        OptkitError: it failed, crashed or hung.
    """
    with speak(Plan((contender,), seconds), CHILD) as child:
        try:
            for word in child.words(silence):
                if word["event"] == "failed":
                    raise OptkitError(word["message"], word["hint"], exit_code=Exit(word["exit"]))
                if word["event"] == "profiled":
                    return word
        except TimeoutError:
            raise hung(contender, "profiling", silence) from None
        raise crashed(contender, "profiling", child)


def _document(found: Mapping[str, Any], peaks: Peaks | None) -> Row:
    latency, used = found["latency_ms"], found["settings"]
    limits = rates(peaks, _threads(used))
    rows = [judged(operation, latency, limits) for operation in found["operations"]]
    rows.sort(key=lambda row: -row["ms"])
    return {
        "settings": used,
        "inferences": found["inferences"],
        "latency_ms": latency,
        "unprofiled_ms": found["unprofiled_ms"],
        "operations_ms": sum(row["ms"] for row in rows),
        "operations": [*rows, between(rows, latency)],
        "by_type": by_type(rows),
        "peaks": {
            "gops": {word: rate / 1e9 for word, rate in limits.items() if word != "copy"},
            "gb_per_s": limits["copy"] / 1e9 if "copy" in limits else None,
            "busy": peaks is not None and any(row.busy for row in peaks.rates),
        },
    }


def _threads(used: Mapping[str, Any]) -> int | None:
    """The threads of one inference; None where they are not told, or on another device."""
    threads, streams = used.get("threads"), used.get("streams")
    if not isinstance(threads, int):
        return None
    return max(1, threads // (streams if isinstance(streams, int) and streams > 0 else 1))
