"""The process that looks at the hardware: a question on standard input, the answer on output.

Both are JSON. `{"ask": "devices", "runtime": R}` is answered by a list of devices;
`{"ask": "peaks", "runtime": R, "device": D, "seconds": S, "scale": C}` by what was measured.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from optkit.benchmark.hardware import memory
from optkit.benchmark.hardware.sampling import Rate, Work, rates


def main() -> None:
    """Answer one question."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to standard error
    question = json.load(sys.stdin)
    module = importlib.import_module(f"optkit.benchmark.hardware.{question['runtime']}")
    answer = module.describe() if question["ask"] == "devices" else _peaks(module, question)
    with voice:
        json.dump(answer, voice)


def _peaks(module: Any, question: dict[str, Any]) -> dict[str, Any]:
    """What was measured, the better of a precision's networks each, and what was refused."""
    start = time.perf_counter()
    found = list(module.works(question["device"], question["scale"]))
    if question["device"] == "CPU":
        found += memory.works(question["scale"])
    works = [item for item in found if isinstance(item, Work)]
    best: dict[tuple[str, int | None], dict[str, Any]] = {}
    for work, rate in zip(works, rates(works, question["seconds"]), strict=True):
        row, key = _row(work, rate), (work.name, work.threads)
        best[key] = max(row, best.get(key, row), key=_worth)
    measured = {name for name, _ in best}
    refused = {item["precision"]: item["cause"] for item in found if isinstance(item, dict)}
    return {
        "rates": list(best.values()),
        "refused": {key: cause for key, cause in refused.items() if key not in measured},
        "seconds": time.perf_counter() - start,
    }


def _worth(row: dict[str, Any]) -> tuple[bool, float]:
    """A rate that nothing disturbed goes before one that was."""
    return row["undisturbed"] > 0, row["per_s"]


def _row(work: Work, rate: Rate) -> dict[str, Any]:
    return {
        "what": work.name,
        "threads": work.threads,
        "per_s": rate.best,
        "spread": rate.spread,
        "blocks": rate.blocks,
        "undisturbed": rate.undisturbed,
        "kernel": work.kernel,
    }


if __name__ == "__main__":
    main()
