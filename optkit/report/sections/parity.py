"""Parity: how close the targets of a run, and the source, are to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Table
from optkit.report.words import figure

Row = Mapping[str, Any]


def table(run: Row) -> Table | None:
    """Each model against each; None of a run with a single target."""
    parity = run.get("parity")
    if not parity:
        return None
    names = [model["name"] for model in parity["models"]]
    return Table(
        f"Each against each, {parity['samples']} {parity['data']} samples: cosine, max abs",
        ("model", *names),
        [(name, *(_cell(parity, row, at) for at in range(len(names))))
         for row, name in enumerate(names)],
    )  # fmt: skip


def _cell(parity: Row, row: int, column: int) -> str:
    if row == column:
        return ""
    cosine, largest = parity["cosine"][row][column], parity["max_abs"][row][column]
    if cosine is None or largest is None:
        return "not comparable"
    return f"{figure(cosine)}, {figure(largest)}"
