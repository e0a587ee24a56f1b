"""Models timed side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import table

# Below, a long tail is the model's own.
_DISTURBED = 0.1


def print_benchmark(console: Console, timed: Sequence[Mapping[str, Any]]) -> None:
    """Models timed side by side: a table per scenario, with the settings that differ."""
    asked = {name: {str(row["asked"].get(name)) for row in timed} for row in timed
             for name in row["asked"] if name != "device"}  # fmt: skip
    apart = [name for name in asked if len(asked[name]) > 1]
    heads = ("model", "runtime", *apart, "p50", "p99", "inputs/s", "speedup", "")
    for scenario in dict.fromkeys(row["scenario"] for row in timed):
        rows = [row for row in timed if row["scenario"] == scenario]
        cells = [
            (
                row["artifact"],
                f"{row['runtime']} {row['device']}",
                *(str(row["asked"].get(name, "")) for name in apart),
                *_speed_cells(row),
            )
            for row in rows
        ]
        table(console.rich, (f"{heads[0]} ({scenario})", *heads[1:]), cells)
        for row in rows:
            for line in _remarks(row):
                console.rich.print(f"{row['artifact']}: {line}", markup=False)


def _speed_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in row:
        return "", "", "", "", "not measured"
    latency, ratio = row["latency_ms"], row["speedup"]
    return (
        f"{latency['p50']:.3g} ms",
        f"{latency['p99']:.3g} ms",
        f"{row['throughput_per_s']:.4g}",
        f"{ratio['value']:.2f}x ({ratio['ci95'][0]:.2f} to {ratio['ci95'][1]:.2f})"
        if ratio
        else "",
        ratio["verdict"] if ratio else "",
    )


def _remarks(row: Mapping[str, Any]) -> list[str]:
    """What a reader of a row's figures has to know."""
    if "error" in row:
        return [f"{row['error']['message']}; {row['error']['hint']}"]
    told = []
    if row["preempted"] > _DISTURBED:
        told.append(f"{row['preempted']:.0%} of its samples were preempted: the machine is busy")
    if "server" in row and not row["server"]["held"]:
        told.append(f"no load keeps 99 % below {row['server']['latency_bound_ms']:g} ms")
    return told
