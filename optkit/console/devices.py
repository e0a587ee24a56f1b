"""The processor, the devices, and what they can do at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import table


def print_devices(console: Console, document: Mapping[str, Any]) -> None:
    """The processor, what was measured, and every runtime's devices."""
    rich, processor, measured = console.rich, document["processor"], document["measured"]
    table(rich, ("processor", ""), _processor_rows(processor))
    if measured["peaks"] or measured["copy"]:
        heads = ("measured", "threads", "at best", "median below", "with")
        table(rich, heads, _peak_rows(measured))
    if any(row["busy"] for row in (*measured["peaks"], *measured["copy"])):
        rich.print("[yellow]The machine was busy;[/] repeat with --remeasure when it is quiet.\n")
    for row in measured["refused"]:
        rich.print(f"{row['device']}: {row['precision']} not reached: {row['cause']}", markup=False)
    for row in measured["failed"]:
        rich.print(f"{row['device']} not measured: {row['cause']}", markup=False)
    rows: list[tuple[str, ...]] = []
    for runtime in document["runtimes"]:
        if runtime["error"]:
            rows.append((runtime["runtime"], "none", "", f"cannot be used: {runtime['error']}"))
        for device in runtime["devices"]:
            absent = "not here" if device["kind"] == "missing" else "combines devices"
            runs = " ".join(device["precisions"]) if device["kind"] == "physical" else absent
            int8 = f"INT8: {device['int8']['told']}" if device["int8"] else ""
            named = device["name"] if device["kind"] == "physical" else ""
            about = "; ".join(filter(None, (named, device["note"], int8)))
            rows.append((runtime["runtime"], device["device"], runs, about))
    table(rich, ("runtime", "device", "runs", ""), rows)


def _processor_rows(processor: Mapping[str, Any]) -> list[tuple[str, str]]:
    counted = [f"{processor['cores']} for this process"]
    for key, word in (
        ("sockets", "sockets"),
        ("numa_nodes", "NUMA nodes"),
        ("threads_per_core", "threads per core"),
    ):
        counted += [f"{word} {processor[key]}"] if processor[key] else []
    made_for = [f"{key.upper()} by {' '.join(words)}"
                for key, words in processor["speeds_up"].items() if words]  # fmt: skip
    caches = [f"L{row['level']} {row['instances']} x {row['bytes'] // 1024} KiB"
              for row in processor["caches"]]  # fmt: skip
    return [
        ("model", processor["model"]),
        ("cores", ", ".join(counted)),
        ("instruction sets", " ".join(processor["isa"]) or "baseline"),
        ("made for", ", ".join(made_for) or "FP32 alone"),
        ("data caches", ", ".join(caches) or "not told by the system"),
    ]


def _peak_rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows = [
        (f"{row['device']} {row['precision']}", row, f"{row['gops']:,.0f} "
         + ("GOPS" if row["precision"] == "int8" else "GFLOPS"))
        for row in measured["peaks"]
    ]  # fmt: skip
    rows += [("memory copy", row, f"{row['gb_per_s']:.1f} GB/s") for row in measured["copy"]]
    return [
        (name, str(row["threads"] or ""), rate,
         f"{100 * row['spread']:.0f} %{', busy' if row['busy'] else ''}", row["kernel"])
        for name, row, rate in rows
    ]  # fmt: skip
