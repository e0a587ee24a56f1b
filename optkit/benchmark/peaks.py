"""What the hardware can do at most: measured once in a process of its own, and kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optkit.core.code import own_code
from optkit.core.errors import OptkitError
from optkit.core.hashing import digest
from optkit.core.machine import machine, topology
from optkit.core.store import Store
from optkit.core.versions import versions

CHILD = (sys.executable, "-P", "-m", "optkit.benchmark.hardware.child")
SECONDS = 3.0
"""Spent on measuring one device, beside some for loading the library and the networks."""

_PATIENCE = 120.0


@dataclass(frozen=True)
class Peak:
    """The highest rate that was reached.

    Attributes:
        what: a precision (`fp32`, `bf16`, `fp16`, `int8`), or `copy` for the memory.
        threads: processor threads that were kept busy; None on another device.
        per_s: operations per second, a multiply-add counting two; of `copy`, bytes read and
            written per second.
        spread: by how much of the best block the median one fell short.
        blocks: how many were timed.
        undisturbed: how many of them had their processor cores for themselves.
        kernel: what the library ran it with.
    """

    what: str
    threads: int | None
    per_s: float
    spread: float
    blocks: int
    undisturbed: int
    kernel: str

    @property
    def busy(self) -> bool:
        """Whether the machine had too much else to do for this to be a peak."""
        return self.undisturbed < 3 or self.spread > 0.25


@dataclass(frozen=True)
class Peaks:
    """What one device can do at most.

    Attributes:
        runtime: the runtime that it was measured through.
        device: that runtime's word for it.
        rates: what was reached.
        refused: precisions that were not reached at all, with the cause.
    """

    runtime: str
    device: str
    rates: tuple[Peak, ...]
    refused: Mapping[str, str]

    def find(self, what: str, threads: int | None = None) -> Peak | None:
        """The peak of a precision, or of `copy`, at so many threads; None: at the most measured."""
        rows = [row for row in self.rates if row.what == what]
        if threads is not None:
            rows = [row for row in rows if row.threads == threads]
        return max(rows, key=lambda row: row.threads or 0, default=None)

    def ops_per_s(self, precision: str, threads: int | None = None) -> float | None:
        """Operations per second; between one thread and all, on the line through both.

        None where it was not measured.
        """
        return self._rate(precision, threads)

    def bytes_per_s(self, threads: int | None = None) -> float | None:
        """Bytes read and written per second, likewise."""
        return self._rate("copy", threads)

    def gain(self, precision: str = "int8", base: str = "fp32") -> float | None:
        """How many times faster one precision is than another where arithmetic is the bound.

        At the number of threads at which both were disturbed least; None where not measured.
        """
        rows = {row.threads: row for row in self.rates if row.what == base}
        pairs = [(row, rows[row.threads]) for row in self.rates
                 if row.what == precision and row.threads in rows]  # fmt: skip
        if not pairs:
            return None
        fast, slow = min(pairs, key=lambda pair: max((row.busy, row.spread) for row in pair))
        return fast.per_s / slow.per_s

    def _rate(self, what: str, threads: int | None) -> float | None:
        most = self.find(what)
        if most is None or threads is None or most.threads is None or threads >= most.threads:
            return most.per_s if most else None
        one = self.find(what, 1)
        if one is None:
            return None
        share = (threads - 1) / (most.threads - 1)
        return one.per_s + share * (most.per_s - one.per_s)


def known_peaks(store: Store, runtime: str = "openvino", device: str = "CPU") -> Peaks | None:
    """The peaks of a device as they were measured earlier; None where they never were."""
    found = store.recall(digest(_question(runtime, device)))
    return None if found is None else _read(runtime, device, found)


def measured_peaks(
    store: Store, runtime: str = "openvino", device: str = "CPU", *, again: bool = False
) -> Peaks:
    """The peaks of a device, measured now or earlier.

    Raises:
        OptkitError: the measuring process failed, crashed or hung.
    """

    def measure() -> Any:
        return measure_peaks(runtime, device, SECONDS, 1.0)

    return _read(runtime, device, store.fact(_question(runtime, device), measure, again=again))


def measure_peaks(runtime: str, device: str, seconds: float, scale: float) -> dict[str, Any]:
    """Measure now: rates, refusals and the seconds it took, as JSON values.

    Args:
        runtime: one that has networks for it under `optkit/benchmark/hardware`.
        device: that runtime's word.
        seconds: spent on timing.
        scale: of the networks' widths and of the arrays; 1 is large enough for peaks.

    Raises:
        OptkitError: the measuring process failed, crashed or hung.
    """
    question = {"ask": "peaks", "runtime": runtime, "device": device}
    found: dict[str, Any] = ask(question | {"seconds": seconds, "scale": scale})
    return found


def ask(question: Mapping[str, Any]) -> Any:
    """Put a question to a process of its own, asleep until it is answered.

    Raises:
        OptkitError: it failed, crashed or hung, with the last that it said.
    """
    about = f"looking at {question['runtime']}'s {question.get('device', 'devices')}"
    hint = "run it again with --no-measure, or check the libraries: optkit doctor"
    try:
        done = subprocess.run(
            CHILD,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OptkitError(f"{about}: no answer in {_PATIENCE:g} s", hint) from None
    if done.returncode == 0:
        return json.loads(done.stdout)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    code = done.returncode
    died = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    raise OptkitError(f"{about}: {lines[-1][:300] if lines and code > 0 else died}", hint)


def _question(runtime: str, device: str) -> dict[str, Any]:
    return {
        "question": "peaks",
        "runtime": runtime,
        "device": device,
        "machine": machine(),
        "topology": topology(),
        "versions": versions((runtime, "numpy")),
        "code": own_code(f"optkit.benchmark.hardware.{runtime}", CHILD[-1]),
    }


def _read(runtime: str, device: str, found: Mapping[str, Any]) -> Peaks:
    return Peaks(runtime, device, tuple(Peak(**row) for row in found["rates"]), found["refused"])
