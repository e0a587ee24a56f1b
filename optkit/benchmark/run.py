"""Measure models side by side in a process of their own."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from optkit.benchmark import scenarios
from optkit.benchmark.process import Speak, crashed, hung, speak
from optkit.benchmark.scenarios import Turn
from optkit.benchmark.spec import Contender, Plan
from optkit.core import stats
from optkit.core.errors import Exit, OptkitError
from optkit.core.intervals import latency_intervals

Row = dict[str, Any]
Progress = Callable[[float, float], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during a measurement.

    Attributes:
        rows: what `measure` would have returned, from what was measured until then; a contender
            that had no turn yet has an `error`.
    """

    def __init__(self, rows: list[Row]) -> None:
        super().__init__("interrupted while measuring")
        self.rows = rows


@dataclass
class Measured:
    """What is known of one contender."""

    facts: Row = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    sittings: list[int] = field(default_factory=list)  # the number of turns before each
    error: OptkitError | None = None


def measure(
    plan: Plan,
    progress: Progress = lambda _done, _total: None,
    speaking: Speak = speak,
) -> list[Row]:
    """Measure every contender; one row each, in the plan's order.

    A row has the manifest's keys, with `artifact` the contender's name and `speedup` None, and
    beside them `sittings`, the rounds for which the models were loaded once and then anew;
    `warmup`, inferences until the model was steady; `preempted`, the share of samples
    during which the kernel took a core from the process; `raw_ms`, the samples by round, in
    milliseconds; `waited`, by round, how long threads waited for a core, as a share of the turn;
    and `histogram`, how the samples lie (`optkit.core.stats.histogram`). In the offline scenario a
    sample is the mean time per inference of one block. `throughput_per_s` counts inputs, a latency
    is that of an inference of a whole batch.

    The row of a contender that cannot be loaded or run, crashes or hangs has `artifact`,
    `runtime`, `device`, `scenario`, `settings` and `error` (message, hint, exit) alone; the others
    go on without it.

    Args:
        plan: what to measure.
        progress: called with (seconds done, seconds in all).
        speaking: to which process; by itself, to one that is started for this plan.

    Raises:
        OptkitError: unknown scenario (bad input), or no contender could be measured: the first
            one's error.
        Interrupted: with the rows so far.
    """
    scenarios.find(plan.scenario)
    known = [Measured() for _ in plan.contenders]
    try:
        with _terminable():
            _run(plan, known, progress, speaking)
    except KeyboardInterrupt:
        stopped = OptkitError("interrupted before it was measured", "repeat it")
        raise Interrupted(_rows(plan, known, stopped)) from None
    errors = [one.error for one in known if one.error]
    if len(errors) == len(known):
        raise errors[0]
    silent = OptkitError("no sample was taken", "measure it longer")
    return _rows(plan, known, silent)


def compare(row: Mapping[str, Any], base: Mapping[str, Any]) -> Row | None:
    """The manifest's `speedup`: how many times faster `row` is than `base`, per input.

    The ratio of their times in the rounds of one measurement (`optkit.core.stats.paired_ratio`);
    for `server`, the ratio of the loads, its interval as wide as the search left it open. The
    `verdict` is that of `optkit.core.stats.verdict`. None where one of them has no figures, or the
    base holds no load.
    """
    if "error" in row or "error" in base:
        return None
    if "server" in row:
        if not base["server"]["held"]:
            return None
        of_row, of_base = row["server"]["bracket"], base["server"]["bracket"]
        ratio = of_row[0] / of_base[0], of_row[0] / of_base[1], of_row[1] / of_base[0]
    else:
        sides = base["waited"], row["waited"]
        ratio = stats.paired_ratio(base["raw_ms"], row["raw_ms"], row["sittings"], sides)
    batches = row["settings"]["batch"] / base["settings"]["batch"]
    value, low, high = (batches * end for end in ratio)
    return {
        "value": value,
        "ci95": [low, high],
        "against": base["artifact"],
        "verdict": stats.verdict(low, high, min(len(row["raw_ms"]), len(base["raw_ms"]))),
    }


def _run(plan: Plan, known: list[Measured], progress: Progress, speaking: Speak) -> None:
    """Measure in one process, and where a contender ends it, in another without that one."""
    resumes = scenarios.find(plan.scenario).RESUMES
    seconds = plan.seconds
    while left := [at for at, one in enumerate(known) if one.error is None]:
        _cut(known, left, keep=resumes)
        contenders = tuple(plan.contenders[at] for at in left)
        process = replace(plan, contenders=contenders, seconds=seconds)
        spent = _listen(process, [known[at] for at in left], progress, speaking)
        if spent is None:
            return
        seconds = max(seconds - spent / len(left), 1e-3) if resumes else seconds


def _listen(plan: Plan, known: list[Measured], progress: Progress, speaking: Speak) -> float | None:
    """Follow one process; None at its end, else the seconds until a contender ended it."""
    at, doing, spent = 0, "starting", 0.0
    with speaking(plan) as child:
        try:
            for word in child.words(plan.silence):
                match word.pop("event"):
                    case "at":
                        at, doing = word["contender"], word["doing"]
                    case "progress":
                        spent = word["done"]
                        progress(spent, word["total"])
                    case "opened":
                        one = known[word.pop("contender")]
                        one.facts = one.facts or word
                        one.sittings.append(len(one.turns))
                    case "turn":
                        known[word.pop("contender")].turns.append(Turn(**word))
                    case "failed":
                        error = OptkitError(
                            word["message"], word["hint"], exit_code=Exit(word["exit"])
                        )
                        known[word["contender"]].error = error
                    case "done":
                        return None
            error = crashed(plan.contenders[at], doing, child)
        except TimeoutError:
            error = hung(plan.contenders[at], doing, plan.silence)
    if doing == "starting":
        raise error
    known[at].error = error
    return spent


def _cut(known: list[Measured], left: list[int], *, keep: bool) -> None:
    """Leave only whole rounds, in which every contender that goes on had its turn."""
    whole = min(len(known[at].turns) for at in left) if keep else 0
    for at in left:
        del known[at].turns[whole:]
        known[at].sittings = [start for start in known[at].sittings if start < whole]


def _rows(plan: Plan, known: list[Measured], missing: OptkitError) -> list[Row]:
    return [
        _row(plan, contender, one, missing)
        for contender, one in zip(plan.contenders, known, strict=True)
    ]


def _row(plan: Plan, contender: Contender, known: Measured, missing: OptkitError) -> Row:
    batch = contender.settings.batch
    row: Row = {
        "artifact": contender.name,
        "runtime": contender.runtime,
        "device": contender.settings.device,
        "scenario": plan.scenario,
        "settings": known.facts.get("settings", {"batch": batch}),
    }
    error = known.error or (None if known.turns else missing)
    if error is not None:
        told = {"message": error.message, "hint": error.hint, "exit": int(error.exit_code)}
        return {**row, "error": told}
    figures = scenarios.find(plan.scenario).figures(known.turns, plan, batch)
    facts = {name: known.facts[name] for name in ("executed", "warmup")}
    rounds = figures["raw_ms"]
    lie = stats.histogram([sample for samples in rounds for sample in samples])
    ends = [*known.sittings[1:], len(known.turns)]
    sittings = [end - start for start, end in zip(known.sittings, ends, strict=True)]
    figures["latency_ms"]["intervals"] = latency_intervals(rounds, sittings)
    return {
        **row, **facts, "sittings": sittings, "rounds": len(rounds), "speedup": None, **figures,
        "histogram": lie,
    }  # fmt: skip


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that what was measured is kept and no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
