"""The documents that a command writes to files that the user names, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optkit.core.errors import Exit, OptkitError
from optkit.core.writing import append_text, check_folders, write_text

Told = dict[str, Any] | Exception | None
"""Of a run: its manifest; the error that ended it before there was one; nothing if it was left out.
"""

SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass
class Reports:
    """Runs, as they end, and where to tell of them.

    Attributes:
        markdown: the file for Markdown, if any.
        junit: the file for JUnit XML, if any.
        runs: each run by name, as far as it came.
    """

    markdown: Path | None = None
    junit: Path | None = None
    runs: list[tuple[str, Told]] = field(default_factory=list)

    def add(self, name: str, run: Told) -> None:
        """Remember how a run ended."""
        self.runs.append((name, run))

    def write(self) -> None:
        """Write what was remembered.

        Raises:
            OptkitError: a file cannot be written (bad input).
        """
        if self.markdown is not None:
            from optkit.report.markdown import render_runs as markdown

            write_markdown(self.markdown, markdown(self.runs))
        if self.junit is not None:
            from optkit.report.junit import render_runs as junit

            write_text(self.junit, junit(self.runs))


@contextmanager
def reporting(markdown: Path | None, junit: Path | None, name: str) -> Iterator[Reports]:
    """Write the files when the block ends, also where it ends by an error.

    Args:
        markdown: the file for Markdown; what is in it stays where it is a CI job's summary.
        junit: the file for JUnit XML.
        name: of the run, should it end by an error.

    Raises:
        OptkitError: a file cannot be written (bad input); where there is no folder for it, before
            anything is worked out.
    """
    check_folders(markdown, junit)
    reports = Reports(markdown, junit)
    try:
        yield reports
    except Exception as error:
        known = error if isinstance(error, OptkitError) else None
        if known is None or known.exit_code is not Exit.INTERRUPTED:
            manifest = known.manifest if known else None
            reports.add(name, manifest if manifest and "steps" in manifest else error)
            with suppress(OptkitError):  # what went wrong first is what the user has to know
                reports.write()
        raise
    reports.write()


def write_markdown(path: Path, text: str) -> None:
    """Write Markdown; to the summary of a CI job it is added, as other steps write there too.

    Raises:
        OptkitError: it cannot be written (bad input).
    """
    summary = os.environ.get(SUMMARY)
    if summary and path.resolve() == Path(summary).resolve():
        append_text(path, text)
    else:
        write_text(path, text)
