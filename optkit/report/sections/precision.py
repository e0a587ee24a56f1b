"""Precision: what was asked for, what the file holds, and what the runtime computes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Cell, Table, Told
from optkit.report.words import counts

Row = Mapping[str, Any]


def asked(run: Row) -> Table:
    """Each result: requested, found in the file, and executed by each runtime that it was timed in.

    What is counted are operations that carry weights.
    """
    return Table(
        "Asked for, found in the file, and executed",
        ("model", "asked for", "found", "executed"),
        [
            (
                one["path"],
                one["precision"]["requested"],
                counts(one["precision"]["achieved"]) or "no weights",
                _executed(run, one["path"]),
            )
            for one in run["artifacts"]
        ],
    )


def by_operation(artifact: Row) -> Table | None:
    """How many operations of each type the file holds in which precision."""
    found = artifact["precision"].get("by_operation")
    if not found:
        return None
    words = list(artifact["precision"]["achieved"])
    rows = sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return Table(
        f"Operations of {artifact['path']} that carry weights",
        ("operation", *words),
        [(kind, *(str(held.get(word, 0)) for word in words)) for kind, held in rows],
        frozenset(range(1, len(words) + 1)),
    )


def _executed(run: Row, name: str) -> Cell:
    told = [
        f"{counts(row['executed']) or 'no weights'} by {row['runtime']} on {row['device']}"
        for row in run["benchmark"]
        if row["artifact"] == name and row.get("executed") is not None
    ]
    return "; ".join(dict.fromkeys(told)) or Told("not timed", "note")
