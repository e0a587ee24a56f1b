"""What there is to run on: the processor, what it reaches at most, every runtime's devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from optkit.benchmark.peaks import Peaks, ask, known_peaks, measured_peaks
from optkit.catalogue import all_passes, find_runtime, runtime_names
from optkit.core.errors import OptkitError, root_cause
from optkit.core.events import Event, Listener, silent
from optkit.core.machine import SPEEDS_UP, machine, topology
from optkit.core.store import Store

Row = dict[str, Any]

PROCESSOR = ("openvino", "CPU")
"""The runtime and the device through which the processor is measured."""

_HARDWARE = "optkit.benchmark.hardware"


def devices(
    store: Store, *, measure: bool = True, again: bool = False, listen: Listener = silent
) -> Row:
    """The document of `optkit devices`: processor, measured, runtimes.

    A runtime whose library is broken, and a device that cannot be measured, are told with the
    cause in their rows; nothing is raised for them.

    Args:
        store: where peaks are kept.
        measure: whether peaks that are not known are measured.
        again: whether those that are known are measured anew.
        listen: is told of what takes long.
    """
    with ThreadPoolExecutor() as pool:
        runtimes = list(pool.map(_runtime, runtime_names()))
    peaks: dict[tuple[str, str], Peaks] = {}
    failed = []
    for key in _measurable(runtimes):
        try:
            found = _peaks(store, key, measure, again, listen)
        except OptkitError as error:
            failed.append({"runtime": key[0], "device": key[1], "cause": error.message})
        else:
            peaks |= {key: found} if found else {}
    for row in runtimes:
        for device in row["devices"]:
            if device["kind"] == "physical":
                device["int8"] = _int8(row["runtime"], device, peaks)
    return {
        "processor": _processor(),
        "measured": _measured(peaks.values()) | {"failed": failed},
        "runtimes": runtimes,
    }


def _processor() -> Row:
    here = machine()
    isa: Sequence[str] = here["isa"]  # type: ignore[assignment]
    return {
        "model": here["cpu"],
        "cores": here["cores"],
        "isa": isa,
        "speeds_up": {key: [word for word in words if word in isa]
                      for key, words in SPEEDS_UP.items()},
        **topology(),
        "os": here["os"],
    }  # fmt: skip


def _runtime(name: str) -> Row:
    """A runtime with its devices, as its library tells them in another process."""
    try:
        if find_spec(f"{_HARDWARE}.{name}"):
            rows = ask({"ask": "devices", "runtime": name})
        else:
            words = find_runtime(name).devices()
            rows = [{"device": word, "kind": "physical"} for word in words]
    except Exception as error:  # whatever keeps a library from loading is the finding
        cause = error.message if isinstance(error, OptkitError) else root_cause(error)
        return {"runtime": name, "devices": [], "error": cause}
    blank: Row = {"device": "", "kind": "", "name": None, "precisions": [], "int8": None}
    return {"runtime": name, "devices": [{**blank, "note": "", **row} for row in rows],
            "error": None}  # fmt: skip


def _measurable(runtimes: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """The processor, and every accelerator through the runtime that has networks for it."""
    for row in runtimes:
        for device in row["devices"]:
            key = row["runtime"], device["device"]
            if key == PROCESSOR or (
                device["kind"] == "physical"
                and device["device"] != "CPU"
                and row["runtime"] in {"openvino", "torch"}
            ):
                yield key


def _peaks(
    store: Store, key: tuple[str, str], measure: bool, again: bool, listen: Listener
) -> Peaks | None:
    known = known_peaks(store, *key)
    if not measure or (known and not again):
        return known
    title = f"measuring {key[0]} {key[1]}"
    listen(Event("start", title, "matrix peaks and memory"))
    try:
        return measured_peaks(store, *key, again=again)
    finally:
        listen(Event("end", title, "done"))


def _measured(found: Any) -> Row:
    peaks, copies, refused = [], [], []
    for device in found:
        about = {"runtime": device.runtime, "device": device.device}
        for row in device.rates:
            how = {"threads": row.threads, "spread": row.spread, "blocks": row.blocks,
                   "undisturbed": row.undisturbed, "busy": row.busy,
                   "kernel": row.kernel}  # fmt: skip
            if row.what == "copy":
                copies.append({"gb_per_s": row.per_s / 1e9, **how})
            else:
                peaks.append(about | {"precision": row.what, "gops": row.per_s / 1e9, **how})
        refused += [about | {"precision": key, "cause": cause}
                    for key, cause in device.refused.items()]  # fmt: skip
    return {"peaks": peaks, "copy": copies, "refused": refused}


def _int8(runtime: str, device: Row, peaks: Mapping[tuple[str, str], Peaks]) -> Row:
    """What INT8 can gain on a device, by the peaks that were measured there."""
    word = device["device"]
    keys = ((runtime, word), ("openvino", word), ("torch", word))
    found = next((peaks[key] for key in keys if key in peaks), None)
    made = _made_for(runtime)
    runs = "int8" in device["precisions"]
    gain = found.gain() if found and runs else None
    if not runs:
        told = "not run here"
    elif not made:
        told = "no pass makes an INT8 model of a format that it runs"
    elif found is None or gain is None:
        told = "gain not measured"
    else:
        told = f"at most {gain:.1f}x over FP32 where compute bounds"
        told += "" if found.runtime == runtime else f", as {found.runtime} reaches it"
    isa: Sequence[str] = machine()["isa"]  # type: ignore[assignment]
    words = [name for name in SPEEDS_UP["int8"] if name in isa] if word == "CPU" else []
    return {"runs": runs, "made": made, "instructions": words, "gain": gain, "told": told}


def _made_for(runtime: str) -> bool:
    """Whether any pass makes an INT8 model that the runtime runs."""
    formats = set(find_runtime(runtime).RUNS)
    return any(item.precision == "int8" and formats & {*item.takes} for item in all_passes())
