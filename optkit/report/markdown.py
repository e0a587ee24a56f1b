"""Reports as Markdown: for a pull request's comment, or the summary page of a CI job."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from optkit.core.errors import OptkitError
from optkit.report import comparison, sections
from optkit.report.html import TEMPLATES
from optkit.report.reading import Run
from optkit.report.tables import parts
from optkit.report.words import writable

Row = Mapping[str, Any]

_SIGNS = {"good": "✅ ", "bad": "❌ ", "note": "⚠️ "}
_SPECIAL = re.compile(r"([\\`*_{}\[\]#~|!])")
_LONGEST = 600
_SPARSE = re.compile(r"\n{3,}")


def render_runs(runs: Sequence[tuple[str, Row | BaseException | None]]) -> str:
    """Runs one after the other, by name, as `optkit.report.junit` takes them."""
    return "\n".join(
        _came_to_nothing(name, run)
        if run is None or isinstance(run, BaseException)
        else render_run(run)
        for name, run in runs
    )


def _came_to_nothing(name: str, error: BaseException | None) -> str:
    if error is None:
        return f"## {_SIGNS['note']}{escape(name)}: not run, as one before it failed\n"
    if isinstance(error, OptkitError):
        told, hint = error.message, f"\n\n> Fix: {escape(error.hint)}" if error.hint else ""
    else:
        told, hint = f"{type(error).__name__}: {error}", ""
    return f"## {_SIGNS['bad']}{escape(name)}: failed\n\n> {escape(told)}{hint}\n"


def render_run(manifest: Row) -> str:
    """A run in Markdown: verdict, figures, gates; the rest folded away."""
    content = sections.of_run(manifest)
    return _render("run.md.j2", sign=_SIGNS[content["end"].tone], **content)


def render_comparison(runs: Sequence[Run]) -> str:
    """Several runs side by side."""
    content = comparison.of_runs(runs)
    return _render("comparison.md.j2", sign=_SIGNS[content["end"].tone], **content)


def escape(value: str) -> str:
    """Text that stands for itself in Markdown, on one line, within a table or without.

    A name that begins with @ notifies nobody.
    """
    plain = writable(" ".join(value.replace("\t", " ").splitlines()))
    plain = plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _SPECIAL.sub(r"\\\1", plain)
    return plain.replace("@", "@<!-- -->")


def _render(template: str, **content: Any) -> str:
    """A template filled in; whatever is not markup already is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Markup:
        return value if isinstance(value, Markup) else Markup(escape(str(value)))  # noqa: S704

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parts"] = parts
    text = environment.get_template(template).render(signs=_SIGNS | {"": ""}, **content)
    return _SPARSE.sub("\n\n", text).strip() + "\n"
