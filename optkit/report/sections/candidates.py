"""What a search tried: each candidate, what it costs, and how it fared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Cell, Table, Told, Tone
from optkit.report.words import figure, size, times

Row = Mapping[str, Any]

_TONES: Mapping[str, Tone] = {"picked": "good", "failed": "bad", "missed": "note"}


def table(found: Row) -> Table:
    """Every candidate of `optkit tune`."""
    heads = ("model", "settings", "p50 (ms)", "inputs per second", "size", "SQNR (dB)",
             "times the source", "front", "verdict")  # fmt: skip
    rows = [_row(row) for row in found["candidates"]]
    return Table("Candidates", heads, rows, frozenset(range(2, 7)))


def _row(row: Row) -> tuple[Cell, ...]:
    sqnr, speedup = row["fidelity"].get("sqnr_db"), row["speedup_vs_source"]
    told = row["status"] + (f": {row['reason']}" if row["reason"] else "")
    return (
        row["variant"],
        ", ".join(f"{name} {value}" for name, value in row["settings"].items()),
        figure(row["latency_ms"]["p50"]) if row["latency_ms"] else "",
        figure(row["throughput_per_s"]) if row["throughput_per_s"] else "",
        size(row["size_bytes"]) if row["size_bytes"] else "",
        figure(sqnr) if sqnr is not None else "",
        times(speedup["value"]) if speedup else "",
        "yes" if row["on_front"] else "",
        Told(told, _TONES.get(row["status"], "")),
    )
