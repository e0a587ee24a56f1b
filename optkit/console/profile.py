"""Where the time of models goes, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import table

_MOST = 15
_BAR = 12
_WIDE = 120
_HEADS = ("type", "ms", "share", "GOPS", "of peak", "bound")
_FURTHER = ("", "kernel", "FLOP/B")
_FIGURES = ("ms", "share", "GOPS", "of peak", "FLOP/B", "count")
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def print_profile(console: Console, document: Mapping[str, Any]) -> None:
    """For each model the operations that take longest, then their types, then what to know."""
    for row in document["profile"]:
        about = f"{row['artifact']} ({row['runtime']} {row['device']})"
        if "error" in row:
            error = row["error"]
            console.rich.print(
                f"{about} not profiled: {error['message']}; {error['hint']}", markup=False
            )
            continue
        _print_operations(console, about, row)
        _print_types(console, row)
        for line in _remarks(row):
            console.rich.print(line, markup=False)


def _print_operations(console: Console, about: str, row: Mapping[str, Any]) -> None:
    wide = console.rich.width >= _WIDE
    *operations, between = row["operations"]
    shown, rest = operations[:_MOST], operations[_MOST:]
    cells = [_operation(one, wide=wide) for one in shown]
    if rest:
        sums = {key: sum(one[key] for one in rest) for key in ("ms", "share")}
        cells.append(_time_alone(f"{len(rest)} further operations", sums, wide=wide))
    cells.append(_time_alone(between["name"], between, wide=wide))
    table(console.rich, (about, *_HEADS, *(_FURTHER if wide else ())), cells, figures=_FIGURES)


def _print_types(console: Console, row: Mapping[str, Any]) -> None:
    heads = ("type", "count", "ms", "share", "GOPS", "of peak", "bound", "")
    cells = []
    for one in row["by_type"]:
        ms, share, bar = _spent(one)
        kind = f"{one['type']} {one['precision']}"
        cells.append((kind, str(one["count"]), ms, share, *_reached(one), bar))
    table(console.rich, heads, cells, figures=_FIGURES)


def _operation(one: Mapping[str, Any], *, wide: bool) -> tuple[str, ...]:
    gops, peak, bound = _reached(one)
    ms, share, bar = _spent(one)
    name = _short(one["name"], 40 if wide else 14)
    name += f" x {one['count']}" if one["count"] > 1 else ""
    narrow = name, f"{one['type']} {one['precision']}", ms, share, gops, peak, bound
    if not wide:
        return narrow
    intensity = one["intensity"]
    return *narrow, bar, one["kernel"], f"{intensity:.3g}" if intensity else ""


def _time_alone(name: str, one: Mapping[str, Any], *, wide: bool) -> tuple[str, ...]:
    ms, share, bar = _spent(one)
    return name, "", ms, share, "", "", "", *((bar, "", "") if wide else ())


def _spent(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return f"{one['ms']:.3f}", f"{one['share']:.1%}", _bar(one["share"])


def _reached(one: Mapping[str, Any]) -> tuple[str, str, str]:
    gops, peak = one["gops_per_s"], one["peak_share"]
    return (
        "" if gops is None else f"{gops:,.3g}",
        "" if peak is None else f"{peak:.0%}",
        one["bound"] or "",
    )


def _bar(share: float) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    full, part = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[part] if part else "")


def _short(name: str, most: int) -> str:
    """The end of a long name: what tells it from its neighbours."""
    return name if len(name) <= most else "…" + name[1 - most :]


def _remarks(row: Mapping[str, Any]) -> Sequence[str]:
    """What a reader of the tables has to know."""
    peaks = row["peaks"]
    told = [(
        f"{row['artifact']}: {row['operations_ms']:.3g} ms in operations of "
        f"{row['latency_ms']:.3g} ms; {row['unprofiled_ms']:.3g} ms without profiling; "
        f"means of {row['inferences']} inferences"
    )]  # fmt: skip
    if not peaks["gops"]:
        return [*told, f"{row['artifact']}: no peaks of {row['device']} are known to judge by"]
    rates = ", ".join(f"{word} {rate:,.0f}" for word, rate in peaks["gops"].items())
    copy = f", copy {peaks['gb_per_s']:.1f} GB/s" if peaks["gb_per_s"] else ""
    told.append(f"measured peaks: {rates} GOPS{copy} (optkit devices)")
    if peaks["busy"]:
        told.append("the machine was busy when they were measured: optkit devices --remeasure")
    return told
