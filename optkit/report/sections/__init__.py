"""What a run's report says, section by section, out of the manifest: one file per section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.sections import (
    environment,
    fidelity,
    gates,
    parity,
    precision,
    sensitivity,
    size,
    speed,
    steps,
    verdict,
)

Row = Mapping[str, Any]


def of_run(run: Row) -> dict[str, Any]:
    """Every section, by the name that the templates know it by."""
    return {
        "run": run,
        "end": verdict.verdict(run),
        "lead": verdict.lead(run),
        "notes": list(verdict.notes(run)),
        "results": [(one, verdict.tiles(run, one)) for one in run["artifacts"]],
        "gates": gates.table(run),
        "metrics": fidelity.metrics(run),
        "fidelity": list(fidelity.tables(run)),
        "parity": parity.table(run),
        "speed": speed.table(run["benchmark"]),
        "causes": list(speed.causes(run["benchmark"])),
        "size": size.table(run) if run["artifacts"] else None,
        "steps": steps.table(run),
        "tried": list(filter(None, map(steps.candidates, run["steps"]))),
        "sensitivities": list(filter(None, map(sensitivity.table, run["steps"]))),
        "precision": precision.asked(run),
        "operations": list(filter(None, map(precision.by_operation, run["artifacts"]))),
        "environment": environment.table(run),
        "inputs": environment.inputs(run),
    }
