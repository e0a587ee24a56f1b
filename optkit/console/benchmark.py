"""Models timed side by side: a table for each scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.console.stream import Console
from optkit.console.tables import number, spark, speedup, table, verdict

if TYPE_CHECKING:
    from rich.text import Text

Row = Mapping[str, Any]

# Below, a long tail is the model's own.
_DISTURBED = 0.1

_BARS = 16

# A name up to here is not broken.
_SHORT = 20


def print_benchmark(console: Console, timed: Sequence[Row]) -> None:
    """A table for each scenario, with the settings that differ as columns, and remarks."""
    for scenario in dict.fromkeys(row["scenario"] for row in timed):
        rows = [row for row in timed if row["scenario"] == scenario]
        apart = _apart(rows)
        _print_scenario(console, rows, apart)
        for line in (*_runtimes(rows), *_placements(rows, apart), *_failures(rows, apart),
                     *_missed_bounds(rows, apart), *_disturbed(rows, apart)):  # fmt: skip
            console.rich.print(line, markup=False)
        console.rich.print()


def _apart(rows: Sequence[Row]) -> list[str]:
    """Settings that were asked for in different ways."""
    names = dict.fromkeys(name for row in rows for name in ("device", *row["asked"]))
    return [name for name in names if len({_setting(row, name) for row in rows}) > 1]


def _setting(row: Row, name: str) -> str:
    """What a row was asked for, or else what it ran with."""
    found = row["device"] if name == "device" else row["asked"].get(name)
    found = row["settings"].get(name) if found is None else found
    return "" if found is None else str(found)


def _print_scenario(console: Console, rows: Sequence[Row], apart: Sequence[str]) -> None:
    served = [row["server"] for row in rows if "server" in row]
    load = "load\nper s" if served else "inputs\nper s"
    low, high = _range(rows)
    shape = f"{number(low)} to {number(high)} ms" if high > low else ""
    show = bool(shape) and console.rich.is_terminal
    shared = dict.fromkeys(name for row in rows for name in row["asked"] if name not in apart)
    told = [rows[0]["scenario"]]
    told += [f"p99 within {served[0]['latency_bound_ms']:g} ms"] if served else []
    told += [rows[0]["device"]] if "device" not in apart else []
    told += [f"{_words(name)} {_setting(rows[0], name)}" for name in shared if name != "device"]
    figures = ("p50\nms", "p99\nms", load, "speedup")
    heads = ("model", *map(_head, apart), *figures, "", *([shape] if show else []))
    cells = [
        (
            row["artifact"],
            *(_setting(row, name) for name in apart),
            *_figures(row, first=row is rows[0]),
            *([_shape(row, low, high)] if show else []),
        )
        for row in rows
    ]
    table(
        console.rich,
        heads,
        cells,
        title=", ".join(told),
        figures=figures,
        whole=_short(heads[: 1 + len(apart)], cells),
        extra=shape if show else "",
    )


def _short(heads: Sequence[str], cells: Sequence[Sequence[str | Text]]) -> list[str]:
    """The first columns' heads, as far as their cells are short enough not to be broken."""
    return [head for at, head in enumerate(heads) if max(len(row[at]) for row in cells) <= _SHORT]


def _figures(row: Row, *, first: bool) -> tuple[str | Text, ...]:
    from rich.text import Text

    if "error" in row:
        return "", "", "", "", Text("failed", "bold red")
    latency, ratio = row["latency_ms"], row["speedup"]
    load = number(row["throughput_per_s"])
    if "server" in row and not row["server"]["held"]:
        load = "none"
    return (
        number(latency["p50"]),
        number(latency["p99"]),
        load,
        speedup(ratio) if ratio else Text("baseline" if first else "", "dim"),
        verdict(ratio) if ratio else "",
    )


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """Milliseconds: from the shortest latency of all to the longest 99th percentile."""
    known = [row for row in rows if "error" not in row]
    low = min((row["histogram"]["low_ms"] for row in known), default=0.0)
    return low, max((row["latency_ms"]["p99"] for row in known), default=0.0)


def _shape(row: Row, low: float, high: float) -> str:
    """How a row's latencies lie between the two, on a logarithmic scale."""
    if "error" in row:
        return ""
    drawn, wide = row["histogram"], math.log(high / low)
    bars = [0.0] * _BARS
    step = math.log(drawn["high_ms"] / drawn["low_ms"]) / len(drawn["counts"])
    for at, count in enumerate(drawn["counts"]):
        middle = math.log(drawn["low_ms"] / low) + (at + 0.5) * step
        bars[min(int(_BARS * middle / wide), _BARS - 1)] += count
    return spark(bars)


def _runtimes(rows: Sequence[Row]) -> list[str]:
    found = dict.fromkeys((row["runtime"], row["artifact"]) for row in rows)
    by_runtime: dict[str, list[str]] = {}
    for runtime, artifact in found:
        by_runtime.setdefault(runtime, []).append(artifact)
    return ["; ".join(f"{name} runs {', '.join(ran)}" for name, ran in by_runtime.items())]


def _placements(rows: Sequence[Row], apart: Sequence[str]) -> list[str]:
    """Which part runs where, for a model that is cut up over devices."""
    return [
        f"{_name(row, apart)}: operations on "
        + ", ".join(f"{device} {count}" for device, count in row["settings"]["placement"].items())
        for row in rows
        if row["settings"].get("placement")
    ]


def _failures(rows: Sequence[Row], apart: Sequence[str]) -> list[str]:
    return [
        f"{_name(row, apart)}: {row['error']['message']}; {row['error']['hint']}"
        for row in rows
        if "error" in row
    ]


def _missed_bounds(rows: Sequence[Row], apart: Sequence[str]) -> list[str]:
    return [
        f"{_name(row, apart)}: no load found; {row['server']['reason']}"
        for row in rows
        if "server" in row and not row["server"]["held"]
    ]


def _disturbed(rows: Sequence[Row], apart: Sequence[str]) -> list[str]:
    """One line for all rows: it is the machine's, not theirs."""
    hit = [row for row in rows if row.get("preempted", 0) > _DISTURBED and "server" not in row]
    told = "; ".join(f"{_name(row, apart)} {row['preempted']:.0%}" for row in hit)
    return [f"the machine was busy, samples preempted: {told}"] if hit else []


def _name(row: Row, apart: Sequence[str]) -> str:
    values = " ".join(filter(None, (_setting(row, name) for name in apart)))
    return f"{row['artifact']} ({values})" if values else str(row["artifact"])


def _head(name: str) -> str:
    return name.replace("_", "\n")


def _words(name: str) -> str:
    return name.replace("_", " ")
