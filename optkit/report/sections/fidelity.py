"""Fidelity: how close each output is to the source's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optkit.report.tables import Cell, Table, Told
from optkit.report.words import NOT_MEASURED, figure

Row = Mapping[str, Any]


def tables(run: Row) -> Iterator[Table]:
    """A table for each result; its caption tells the samples."""
    for proof in run["validation"]:
        yield Table(
            f"{proof['artifact']} against the source, {proof['samples']} {proof['data']} samples",
            ("output", "cosine", "SQNR (dB)", "max abs", "max rel", "verdict"),
            [_row(row) for row in proof["outputs"]],
            frozenset({1, 2, 3, 4}),
        )


def metrics(run: Row) -> Table | None:
    """The task metric of each result, where labels were given."""
    proofs = [proof for proof in run["validation"] if proof["metric"]]
    if not proofs:
        return None
    return Table(
        "Task metric",
        ("model", "metric", "value", "source", "drop"),
        [
            (
                proof["artifact"],
                proof["metric"]["name"],
                *(_share(proof["metric"][key]) for key in ("value", "reference", "drop")),
            )
            for proof in proofs
        ],
        frozenset({2, 3, 4}),
    )


def _row(row: Row) -> tuple[Cell, ...]:
    if row["problem"]:
        verdict: Cell = Told(row["problem"], "bad")
    elif row["verdict"] == "unverified":
        verdict = Told("unverified: the source's is constant", "note")
    else:
        verdict = row["verdict"]
    same = row["verdict"] == "compared" and row["sqnr_db"] is None and row["max_abs"] == 0
    return (
        row["name"],
        f"{row['cosine']:.6f}" if row["cosine"] is not None else NOT_MEASURED,
        "identical" if same else figure(row["sqnr_db"]),
        figure(row["max_abs"]),
        figure(row["max_rel"]),
        verdict,
    )


def _share(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.4f}"
