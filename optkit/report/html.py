"""Reports as pages, each one self-contained file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optkit.report.pictures import fidelity, latencies, roofline, search, sensitivity
from optkit.report.plot import Figure, layout

Row = Mapping[str, Any]


def documents(manifest: dict[str, Any]) -> Mapping[str, str]:
    """The files that a report adds to the output folder."""
    return {"report.html": render_run(manifest)}


def render_run(manifest: Row) -> str:
    """The page of a run, from its manifest."""
    return _page(
        "run.html.j2",
        run=manifest,
        pictures=_laid_out((*latencies.of_run(manifest), *fidelity.of_run(manifest))),
        sensitivities=_laid_out(sensitivity.of_run(manifest)),
    )


def render_benchmark(rows: Sequence[Row], profile: Sequence[Row] = ()) -> str:
    """The page of models timed side by side, and of where their time goes.

    Args:
        rows: of a benchmark.
        profile: of `optkit bench --profile`.
    """
    return _page(
        "benchmark.html.j2",
        rows=rows,
        latencies=_laid_out(latencies.of_benchmark(rows)),
        profile=profile,
        rooflines=_laid_out(roofline.of_profile(profile)),
    )


def render_search(found: Row) -> str:
    """The page of a search, from what `optkit tune` tells."""
    return _page("search.html.j2", found=found, pictures=_laid_out(search.of_search(found)))


def _laid_out(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    return [layout(figure) for figure in figures]


def _page(template: str, **content: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": _size, "figure": _figure, "share": "{:.1%}".format}
    return environment.get_template(template).render(**content)


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _figure(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
