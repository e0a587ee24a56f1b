"""optkit report: render reports again, or hold runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from optkit.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optkit.console import Console
    from optkit.report.reading import Run
    from optkit.report.tables import Told


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Output folders of runs; the first is the baseline."),
    ],
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it
        typer.Option("--output", "-o", metavar="FILE", help="The page; DIR/report.html for one."),
    ] = None,
    markdown: options.Markdown = None,
    junit: options.Junit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render the report of a run again; of several, compare them side by side."""
    from optkit import console as say
    from optkit.cli.reports import write_markdown
    from optkit.core.writing import check_folders, write_text
    from optkit.report import html
    from optkit.report import junit as xml
    from optkit.report import markdown as text
    from optkit.report.reading import names, read_run

    check_folders(output, markdown, junit)
    console = say.open_console(json=json, quiet=quiet)
    found = [read_run(place) for place in runs]
    page = output or _page(found, markdown, junit)
    alone = found[0].manifest if len(found) == 1 else None
    if page is not None:
        write_text(page, html.render_run(alone) if alone else html.render_comparison(found))
    if markdown is not None:
        told = text.render_run(alone) if alone else text.render_comparison(found)
        write_markdown(markdown, told)
    if junit is not None:
        every = zip(names(found), (run.manifest for run in found), strict=True)
        write_text(junit, xml.render_runs([*every]))
    written = [str(path) for path in (page, markdown, junit) if path is not None]
    _tell(console, found, written)


def _page(found: Sequence[Run], *others: Path | None) -> Path | None:
    """Where the page goes that nobody named: where a run's own lies, if nothing else is wanted."""
    alone = len(found) == 1 and not any(others) and found[0].place.is_dir()
    return found[0].place / "report.html" if alone else None


def _tell(console: Console, found: Sequence[Run], written: list[str]) -> None:
    from optkit import console as say
    from optkit.report import comparison
    from optkit.report.tables import parts

    content = comparison.of_runs(found)
    if console.json:
        say.print_json(console, {"compared": comparison.as_json(found), "written": written})
        return
    tables = [content["overview"], *content["figures"], content["gates"]]
    if len(found) > 1:
        for table in tables:
            rows = [["\n".join(map(_plain, parts(cell))) for cell in row] for row in table.rows]
            if rows:
                say.print_table(console, (table.caption, *table.heads[1:]), rows)
    if written:
        say.say(console, f"wrote {', '.join(written)}")
    elif len(found) == 1:
        say.say(console, "nothing was written: name a file with -o, --markdown or --junit")


def _plain(one: Told) -> str:
    """Words that cannot steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in one.text)
