"""The profiling process: a plan on stdin, words on stdout, as lines of JSON.

Profiling costs time itself. So the model is loaded twice, once as it is: both take turns in
blocks, and the block that was disturbed least, the quickest, is the one that is told.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from optkit.benchmark import scenarios
from optkit.benchmark.child import REST, only_voice, teller
from optkit.benchmark.opening import Tell, batched, settled
from optkit.benchmark.profiling import Probe
from optkit.benchmark.spec import Contender, plan_from_json, read_inputs
from optkit.core.errors import OptkitError, root_cause

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray]

BLOCKS = 3
WARM = 2
FEWEST = 3


def main() -> None:
    """Read a plan, profile each of its models, tell."""
    tell = teller(only_voice())
    plan = plan_from_json(json.loads(sys.stdin.readline()))
    for at, contender in enumerate(plan.contenders):
        tell("at", contender=at, doing="profiling")
        try:
            found = _profiled(contender, plan.seconds, tell)
        except Exception as error:  # the others go on
            known = error if isinstance(error, OptkitError) else OptkitError(
                f"{contender.name} cannot be profiled in {contender.runtime}: {root_cause(error)}",
                "measure it without --profile",
            )  # fmt: skip
            tell("failed", contender=at, message=known.message, hint=known.hint,
                 exit=int(known.exit_code))  # fmt: skip
        else:
            tell("profiled", contender=at, **found)
    tell("done")


def _profiled(contender: Contender, seconds: float, tell: Tell) -> dict[str, Any]:
    scenario = scenarios.find("single-stream")
    settings = replace(settled(contender.settings, scenario), api="sync")
    runtime = importlib.import_module(f"optkit.runtimes.{contender.runtime}")
    module = importlib.import_module(f"optkit.benchmark.profiling.{contender.runtime}")
    arrays: Arrays = batched(read_inputs(contender.inputs), settings.batch)
    plain = runtime.open_session(contender.artifact, settings)
    for _ in range(WARM):
        plain.infer(arrays)
    blocks = []
    for number in range(BLOCKS):
        probe: Probe = module.probe(contender.artifact, settings, arrays)
        try:
            blocks.append(_block(plain.infer, probe, arrays, seconds / BLOCKS / 2))
        finally:
            probe.close()
        tell("progress", done=number + 1, total=BLOCKS)
    best = min(blocks, key=lambda block: float(block["latency_ms"]))
    best["unprofiled_ms"] = min(block["unprofiled_ms"] for block in blocks)
    used = {**plain.settings, "api": "sync", "batch": settings.batch}
    plain.close()
    return best | {"settings": used}


def _block(
    plain: Callable[[Arrays], object], probe: Probe, arrays: Arrays, seconds: float
) -> dict[str, Any]:
    """As many inferences without profiling as with it, each kind in a row."""
    for _ in range(WARM):
        probe.infer(arrays)
    time.sleep(REST)  # threads of the other one spin for a while
    plain(arrays)
    start, count = time.perf_counter(), 0
    while count < FEWEST or time.perf_counter() - start < seconds:
        plain(arrays)
        count += 1
    unprofiled = (time.perf_counter() - start) / count
    time.sleep(REST)
    probe.infer(arrays)
    probe.start()
    start = time.perf_counter()
    for _ in range(count):
        probe.infer(arrays)
    latency = (time.perf_counter() - start) / count
    return {
        "latency_ms": latency * 1e3,
        "unprofiled_ms": unprofiled * 1e3,
        "inferences": count,
        "operations": [asdict(operation) for operation in probe.stop()],
    }


if __name__ == "__main__":
    main()
