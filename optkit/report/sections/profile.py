"""Where a model's time goes, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Table
from optkit.report.words import figure

Row = Mapping[str, Any]


def of_model(row: Row) -> tuple[str, Table | None, bool]:
    """A sentence, the operations by type where they were profiled, and whether they were not."""
    if "error" in row:
        error = row["error"]
        told = f"{row['artifact']} was not profiled: {error['message']}; {error['hint']}"
        return told, None, True
    about = (
        f"{row['artifact']} in {row['runtime']} on {row['device']}: "
        f"{figure(row['operations_ms'])} ms in operations of {figure(row['latency_ms'])} ms, "
        f"{figure(row['unprofiled_ms'])} ms without profiling."
    )
    heads = ("operations", "count", "ms", "share", "GOPS", "of peak", "bound by")
    rows = [
        (
            f"{one['type']} {one['precision']}",
            str(one["count"]),
            figure(one["ms"]),
            _share(one["share"]),
            figure(one["gops_per_s"]) if one["gops_per_s"] else "",
            _share(one["peak_share"]),
            one["bound"] or "",
        )
        for one in row["by_type"]
    ]
    return (
        about,
        Table(f"Operations of {row['artifact']}", heads, rows, frozenset(range(1, 6))),
        False,
    )


def _share(value: float | None) -> str:
    return f"{100 * value:.1f} %" if value else ""
