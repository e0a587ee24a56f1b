"""Size: the source, what FP32 would take, and each result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report import words
from optkit.report.tables import Table

Row = Mapping[str, Any]


def table(run: Row) -> Table:
    """Bytes on disk, and how many times smaller than the same in FP32."""
    model = run["model"]
    rows = [("source", model["format"], words.size(model["bytes"]), "", "")]
    for one in run["artifacts"]:
        ratio = one["size_ratio"]
        rows.append((
            one["path"],
            f"{one['format']}, {one['precision']['requested']}",
            words.size(one["bytes"]),
            words.size(one["bytes"] / ratio) if ratio else "no FP32 to compare with",
            f"{words.times(1 / ratio)} smaller" if ratio and ratio < 0.95 else "as large",
        ))
    heads = ("model", "format", "size", "the same in FP32", "against it")
    return Table("Size on disk", heads, rows, frozenset({2, 3}))
