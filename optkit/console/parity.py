"""Several targets of a run, held against the source and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.console.stream import Console
from optkit.console.tables import table


def print_parity(console: Console, parity: Mapping[str, Any]) -> None:
    """One table: every model against every other, the worst over the outputs."""
    names = [model["name"] for model in parity["models"]]
    rows = []
    for at, name in enumerate(names[:-1]):
        cells = [_cell(parity, at, other) if other > at else "" for other in range(1, len(names))]
        rows.append((name, *cells))
    table(
        console.rich,
        ("to each other", *names[1:]),
        rows,
        title=f"cosine and max abs on {parity['samples']} {parity['data']} samples",
    )


def _cell(parity: Mapping[str, Any], row: int, column: int) -> str:
    cosine, largest = parity["cosine"][row][column], parity["max_abs"][row][column]
    if cosine is None or largest is None:
        return "not comparable"
    return f"{cosine:.6f}, {largest:.3g}"
