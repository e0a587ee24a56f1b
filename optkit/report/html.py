"""Reports as pages, each one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optkit.report import comparison, sections
from optkit.report.pictures import fidelity, latencies, roofline, search, sensitivity
from optkit.report.pictures import runs as pictured
from optkit.report.plot import draw
from optkit.report.reading import Run, names
from optkit.report.sections import candidates, speed
from optkit.report.sections import profile as profiling
from optkit.report.tables import parts
from optkit.report.words import writable

Row = Mapping[str, Any]

TEMPLATES = Path(__file__).parent / "templates"


def documents(manifest: dict[str, Any]) -> Mapping[str, str]:
    """The files that a report adds to the output folder."""
    return {"report.html": render_run(manifest)}


def render_run(manifest: Row) -> str:
    """The page of a run, from its manifest."""
    return render(
        "run.html.j2",
        **sections.of_run(manifest),
        latencies=list(latencies.of_run(manifest)),
        trades=list(fidelity.of_run(manifest)),
        losses=list(sensitivity.of_run(manifest)),
    )


def render_comparison(runs: Sequence[Run]) -> str:
    """The page of several runs side by side."""
    return render(
        "comparison.html.j2",
        **comparison.of_runs(runs),
        drawn=list(pictured.of_runs(names(runs), [run.manifest for run in runs])),
    )


def render_benchmark(rows: Sequence[Row], profile: Sequence[Row] = ()) -> str:
    """The page of models timed side by side, and of where their time goes.

    Args:
        rows: of a benchmark.
        profile: of `optkit bench --profile`.
    """
    return render(
        "benchmark.html.j2",
        models=list(dict.fromkeys(row["artifact"] for row in rows)),
        speed=speed.table(rows),
        latencies=list(latencies.of_benchmark(rows)),
        profiles=list(map(profiling.of_model, profile)),
        rooflines=list(roofline.of_profile(profile)),
    )


def render_search(found: Row) -> str:
    """The page of a search, from what `optkit tune` tells."""
    return render(
        "search.html.j2",
        found=found,
        candidates=candidates.table(found),
        drawn=list(search.of_search(found)),
    )


def render(template: str, **content: Any) -> str:
    """A template filled in; whatever is not markup already is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: writable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"draw": draw, "parts": parts}
    return environment.get_template(template).render(**content)
