"""A recipe as it is meant: its text, what it includes below, `--set` above."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from optkit.recipe.checks.paths import fence_of
from optkit.recipe.layers.includes import with_includes
from optkit.recipe.layers.overrides import override
from optkit.recipe.places import Place, Unreadable, found, problem
from optkit.recipe.text.document import Document, read_document
from optkit.recipe.text.files import STARTER
from optkit.recipe.versions.current import VERSION, check_version

_FIRST = ("include", "outside")
"""Keys that decide what is read."""


def stacked(text: str, path: Path, overrides: Sequence[str]) -> Document:
    """The document of a recipe, a mapping of our version.

    Args:
        text: the recipe's own.
        path: where it came from; includes are relative to its folder.
        overrides: `a.b=value` each.

    Raises:
        Unreadable: it, a file that it includes or an override cannot be read.
    """
    document = read_document(text, os.environ)
    if document is None:
        raise Unreadable(problem(Place(1, 1), "the recipe is empty", STARTER))
    if not isinstance(document.data, dict):
        message = f"a recipe must be a mapping, found {found(document.data)}"
        hint = f"begin it with optkit: {VERSION} and model: {{path: ...}}"
        raise Unreadable(problem(document.positions.value(()), message, hint))
    first = [one for one in overrides if one.partition("=")[0].strip().split(".")[0] in _FIRST]
    for setting in first:
        document = override(document, setting)
    check_version(document)
    document = with_includes(document, path, fence_of(path.parent, document.data))
    for setting in overrides:
        if setting not in first:
            document = override(document, setting)
    check_version(document)
    return document
