"""Speed: each model as it was timed, and how it stands against the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report import words
from optkit.report.tables import Cell, Table, Told, Tone

Row = Mapping[str, Any]

TONES: Mapping[str, Tone] = {"faster": "good", "slower": "bad"}


def table(rows: Sequence[Row]) -> Table:
    """Models that were timed, in the order they were."""
    asked = any(row.get("asked") for row in rows)
    heads = ("model", "run by", *(("asked for",) if asked else ()), "p50 (ms)", "p99 (ms)",
             "inputs per second", "against")  # fmt: skip
    start = len(heads) - 4
    return Table(
        "Latency and throughput",
        heads,
        [_row(row, asked=asked) for row in rows],
        frozenset(range(start, start + 3)),
    )


def ratios(row: Row) -> Iterator[Told]:
    """How many times faster than what, with the 95 % interval and what it allows to say."""
    for key in ("speedup", "speedup_vs_half", "speedup_vs_source"):
        if ratio := row.get(key):
            yield Told(
                f"{words.times(ratio['value'])} {ratio['against']} "
                f"({words.interval(ratio['ci95'])}), {ratio['verdict']}",
                TONES.get(ratio["verdict"], "note"),
            )


def causes(rows: Sequence[Row]) -> Iterator[str]:
    """What makes a result slower than what it replaces."""
    for row in rows:
        slower = row.get("slower")
        if not slower:
            continue
        if "error" in slower:
            found = f"cause not found: {slower['error']}"
        else:
            found = "; ".join(
                f"{one['name']} ({one['type']}, {one['precision']}) "
                f"{words.milliseconds(one['ms'])} instead of "
                f"{words.milliseconds(one['instead_ms'])}"
                for one in slower["operations"]
            )
        yield f"{row['artifact']} is slower than {slower['than']}: {found}"


def _row(row: Row, *, asked: bool) -> tuple[Cell, ...]:
    where = f"{row['runtime']}, {row['device']}, {row['scenario']}"
    settings = ", ".join(f"{name} {value}" for name, value in (row.get("asked") or {}).items())
    about = (row["artifact"], where, *((settings,) if asked else ()))
    if "error" in row:
        told = f"not timed: {row['error']['message']}; {row['error']['hint']}"
        return (*about, "", "", "", Told(told, "bad"))
    latency = row["latency_ms"]
    return (
        *about,
        words.figure(latency["p50"]),
        words.figure(latency["p99"]),
        _load(row),
        _against(row),
    )


def _load(row: Row) -> str:
    found = words.figure(row["throughput_per_s"])
    if "server" not in row:
        return found
    bound = words.milliseconds(row["server"]["latency_bound_ms"])
    held = row["server"]["held"]
    return f"{found}, p99 within {bound}" if held else f"none keeps p99 within {bound}"


def _against(row: Row) -> Cell:
    return tuple(ratios(row)) or "reference"
