"""Where a run was made, on what, and how it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Table

Row = Mapping[str, Any]


def table(run: Row) -> Table:
    """The machine and the libraries."""
    found = run["environment"]
    rows = [
        ("processor", f"{found['cpu']}, {found['cores']} cores"),
        ("instructions", ", ".join(found["isa"]) or "none beyond the base"),
        ("system", f"{found['os']}, Python {found['python']}"),
        ("optkit", found["optkit"]),
        *((name, version or "not installed") for name, version in found["versions"].items()),
    ]
    return Table("Environment", ("what", "which"), rows)


def inputs(run: Row) -> Table:
    """The model and the samples that went in, by digest."""
    model, data = run["model"], run["data"]
    rows = [("model", f"{model['path']}, {model['format']}", model["sha256"])]
    rows += [
        (
            name,
            f"{data[name]['samples']} {data[name]['origin']} samples, {data[name]['source']}",
            data[name]["sha256"],
        )
        for name in ("calibration", "validation")
    ]
    rows += [("result", one["path"], one["sha256"]) for one in run["artifacts"]]
    return Table("What went in, what came out", ("what", "which", "SHA-256"), rows)
