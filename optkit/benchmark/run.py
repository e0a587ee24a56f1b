"""Measure models side by side in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from optkit.benchmark import scenarios
from optkit.benchmark.spec import Contender, Plan, plan_to_json
from optkit.core import stats
from optkit.core.errors import Exit, OptkitError

Progress = Callable[[float, float], None]
CHILD = (sys.executable, "-P", "-m", "optkit.benchmark.child")


def measure(plan: Plan, progress: Progress = lambda _done, _total: None) -> list[dict[str, Any]]:
    """Measure every contender; one row each, in the plan's order.

    A row has the manifest's keys, with `artifact` the contender's name and `speedup` None, and
    beside them `raw_ms`: the samples by round, in milliseconds. In the offline scenario a sample
    is the mean time per inference of one block. `throughput_per_s` counts inferences.

    Args:
        plan: what to measure.
        progress: called with (seconds done, seconds in all).

    Raises:
        OptkitError: unknown scenario (bad input); a model cannot be loaded or run, or the process
            crashed or hung, by the contender's name.
    """
    scenarios.find(plan.scenario)
    rows: dict[int, dict[str, Any]] = {}
    at, doing = 0, "starting"
    with tempfile.TemporaryFile("w+") as chatter:
        child = _spawn(plan, chatter)
        try:
            for word in _words(child, plan.silence):
                match word["event"]:
                    case "at":
                        at, doing = word["contender"], word["doing"]
                    case "progress":
                        progress(word["done"], word["total"])
                    case "row":
                        rows[word["contender"]] = _row(plan, word)
                    case "error":
                        raise OptkitError(
                            word["message"], word["hint"], exit_code=Exit(word["exit"])
                        )
                    case "done":
                        return [rows[index] for index in range(len(plan.contenders))]
        except TimeoutError:
            raise OptkitError(
                f"{plan.contenders[at].name} hangs: no sign of life for {plan.silence:g} s while "
                f"{doing}",
                "measure it alone, with one thread, or leave it out",
            ) from None
        finally:
            _end(child)
        raise _crashed(plan.contenders[at], doing, child.returncode, chatter)


def compare(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's `speedup`: how many times faster `row` is than `base`.

    The 10th percentile of the base's samples over that of the row's, from one measurement of both.
    """
    value, low, high = stats.low_percentile_ratio(base["raw_ms"], row["raw_ms"])
    return {"value": value, "ci95": [low, high], "against": base["artifact"]}


def _spawn(plan: Plan, chatter: IO[str]) -> subprocess.Popen[bytes]:
    # Idle OpenMP threads that never stop spinning would slow every other model of the plan; the
    # rest between turns outlasts libgomp's default and one millisecond of libiomp's.
    env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    child = subprocess.Popen(
        CHILD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=chatter,
        env=env | {"KMP_BLOCKTIME": "1"},
        start_new_session=True,
    )
    assert child.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError):  # it died at once: its last words tell why
            child.stdin.write(json.dumps(plan_to_json(plan)).encode())
            child.stdin.close()
    except BaseException:
        _end(child)
        raise
    return child


def _words(child: subprocess.Popen[bytes], silence: float) -> Iterator[dict[str, Any]]:
    """What the child says, until it says no more; asleep in between, so that no core is taken."""
    assert child.stdout is not None
    pipe, rest = child.stdout.fileno(), b""
    while True:
        if not select.select([pipe], [], [], silence)[0]:
            raise TimeoutError
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            child.wait()
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the child behind, nor of what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _crashed(contender: Contender, doing: str, code: int, chatter: IO[str]) -> OptkitError:
    chatter.seek(0)
    lines = [line.strip() for line in chatter if line.strip()]
    died = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    said = f"; it said: {lines[-1][:300]}" if lines else ""
    return OptkitError(
        f"{contender.name} ({contender.runtime}) crashed while {doing}: {died}{said}",
        "leave this model or runtime out, or run it alone to see more",
    )


def _row(plan: Plan, word: Mapping[str, Any]) -> dict[str, Any]:
    contender = plan.contenders[word["contender"]]
    rounds = [[time_ns / 1e6 for time_ns in samples] for samples in word["samples"]]
    flat = [sample for samples in rounds for sample in samples]
    mean = sum(flat) / len(flat)
    latency: dict[str, Any] = {f"p{p}": stats.percentile(flat, p) for p in (50, 90, 95, 99)}
    latency |= {"mean": mean, "ci95": list(stats.mean_ci95(rounds, plan.seed))}
    return {
        "artifact": contender.name,
        "runtime": contender.runtime,
        "device": contender.settings.device,
        "scenario": plan.scenario,
        "settings": word["settings"],
        "samples": len(flat),
        "executed": word["executed"],
        "latency_ms": latency,
        "throughput_per_s": 1000 / mean,
        "speedup": None,
        "raw_ms": rounds,
    }
