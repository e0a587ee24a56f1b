"""report.html: a run on one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optkit.report import pictures
from optkit.report.plot import layout


def documents(manifest: dict[str, Any]) -> Mapping[str, str]:
    """The files that a report adds to the output folder."""
    return {"report.html": render(manifest)}


def render(manifest: Mapping[str, Any]) -> str:
    """The page for a manifest; opens offline, on a phone, in dark mode."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = _size
    environment.filters["figure"] = _figure
    return environment.get_template("report.html.j2").render(
        run=manifest,
        pictures=[
            *map(layout, pictures.latencies(manifest)),
            *map(layout, pictures.against_fidelity(manifest)),
            *map(layout, pictures.sensitivities(manifest)),
        ],
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _figure(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
