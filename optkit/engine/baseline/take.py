"""What a run amounts to as a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from optkit.core.signature import spec_from_json
from optkit.engine.baseline.document import SCHEMA, Row
from optkit.engine.gates.figures import RATIOS, TIMED
from optkit.engine.gates.measured import measured

_DIGITS = 5
_MACHINE = ("cpu", "cores", "isa", "os")


def make_baseline(manifest: Mapping[str, Any], gates: Iterable[str]) -> Row:
    """The content of a baseline, out of a run's manifest.

    Args:
        manifest: of a run that was done.
        gates: names of the recipe's gates: figures at paths are kept as well.
    """
    model, environment, names = manifest["model"], manifest["environment"], list(gates)
    return {
        "schema": SCHEMA,
        "model": {
            "name": Path(model["path"]).stem,
            **{side: [str(spec_from_json(row)) for row in model[side]]
               for side in ("inputs", "outputs")},
            "sha256": model["sha256"],
        },
        "machine": {key: environment[key] for key in _MACHINE},
        "versions": {"optkit": environment["optkit"], **environment["versions"]},
        "artifacts": {
            row["format"]: _artifact(row, manifest, names) for row in manifest["artifacts"]
        },
    }  # fmt: skip


def _artifact(row: Mapping[str, Any], manifest: Mapping[str, Any], names: list[str]) -> Row:
    found = measured(names, manifest, row["path"])
    exact = {
        name: figures[0].value
        for name, figures in found.items()
        if name not in TIMED and len(figures) == 1 and figures[0].value is not None
    }
    timing: dict[str, Row] = {}
    settings: dict[str, Row] = {}
    for name in TIMED:
        for figure in found.get(name, ()):
            if figure.ci95 is None or figure.row is None or name == "speedup_vs_baseline":
                continue
            settings[figure.at] = dict(figure.row["settings"])
            told = timing.setdefault(figure.at, {})
            told[name] = _timed(*figure.interval)
            ratio = figure.row.get(name) or {}
            for word, tail in ratio.get("percentiles", {}).items() if name in RATIOS else ():
                told[f"{name}_{word}"] = _timed(tail["value"], *tail["ci95"])
    return {
        "path": row["path"],
        "precision": row["precision"]["requested"],
        "sha256": row["sha256"],
        "network": row["network"],
        "figures": exact,
        "settings": settings,
        "timing": timing,
    }


def _timed(value: float, low: float, high: float) -> Row:
    """A clock's figures, to as many digits as anyone could believe."""
    rounded = [float(f"{number:.{_DIGITS}g}") for number in (value, low, high)]
    return {"value": rounded[0], "ci95": rounded[1:]}
