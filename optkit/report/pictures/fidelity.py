"""What closeness to the source costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optkit.report.figure import Axis, Figure, Mark, Series

Row = Mapping[str, Any]

_WIDE = 8


def of_run(run: Row) -> Iterator[Figure]:
    """Bytes and time against the error that they cost, the source beside each result."""
    errors = {"source": 0.0} | {
        row["artifact"]: error
        for row in run["validation"]
        if (error := error_percent(row)) is not None
    }
    sizes = {"source": run["model"]["bytes"] / 1e6}
    sizes |= {row["path"]: row["bytes"] / 1e6 for row in run["artifacts"]}
    yield from front("Size", "megabytes", sizes, errors)
    timed = [row for row in run["benchmark"] if "error" not in row and row["artifact"] in sizes]
    for device, scenario in dict.fromkeys((row["device"], row["scenario"]) for row in timed):
        medians = {
            row["artifact"]: row["latency_ms"]["p50"]
            for row in timed
            if (row["device"], row["scenario"]) == (device, scenario)
        }
        title = f"Median latency, {device} {scenario},"
        yield from front(title, "milliseconds", medians, errors)


def front(
    what: str, unit: str, costs: Mapping[str, float], errors: Mapping[str, float]
) -> Iterator[Figure]:
    """Costs against errors, of everything that has both; nothing where that is one alone."""
    marks = [Mark(cost, errors[name], name) for name, cost in costs.items() if name in errors]
    if len(marks) < 2:
        return
    least, most = min(mark.x for mark in marks), max(mark.x for mark in marks)
    log = most > _WIDE * least > 0
    yield Figure(
        title=f"{what} against fidelity",
        told="; ".join(
            f"{mark.label}: {mark.x:.3g} {unit}, {mark.y:.3g} % error" for mark in marks
        ),
        x=Axis(f"{unit}, logarithmic" if log else unit, log=log, span=0 if log else most / 2),
        y=Axis("error of the worst output, % of its signal", span=1.0),
        series=[Series(marks=[mark]) for mark in marks],
    )


def error_percent(proof: Row) -> float | None:
    """The noise of the worst output in percent of its signal, by SQNR = 20·log10(signal / noise).

    0 where every output is the source's own; None where nothing was compared.
    """
    compared = [row for row in proof["outputs"] if row["verdict"] == "compared"]
    if not compared or any(row["problem"] for row in proof["outputs"]):
        return None
    return max(
        0.0 if row["sqnr_db"] is None else 100 * 10 ** (-row["sqnr_db"] / 20) for row in compared
    )
