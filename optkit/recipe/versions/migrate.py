"""Brings the text of an older recipe up to date; comments and layout stay as they are.

A version that is left behind gets a file of its own, `from_N.py`, with one function: from a draft
to the edits that make it one of version N + 1, its `optkit:` included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from optkit.recipe.places import Place, Unreadable, found, problem
from optkit.recipe.text.document import read_document
from optkit.recipe.text.files import STARTER
from optkit.recipe.text.loader import compose, place_of
from optkit.recipe.versions import from_0
from optkit.recipe.versions.current import VERSION, check_version
from optkit.recipe.versions.draft import Draft, Edit, applied

Migration = Callable[[Draft], list[Edit]]

MIGRATIONS: Mapping[int, Migration] = {0: from_0.edits}
"""For each version that was left behind, the way to the next."""


@dataclass(frozen=True)
class Migrated:
    """A recipe of our version, and the version that it was of."""

    text: str
    before: int
    after: int


def migrated(
    text: str, migrations: Mapping[int, Migration] = MIGRATIONS, version: int = VERSION
) -> Migrated:
    """The text of a recipe in the current version's form.

    Args:
        text: the recipe.
        migrations: the steps that there are.
        version: where they lead.

    Raises:
        Unreadable: it is no YAML, no mapping, of no version that is known, or of a newer one.
    """
    before = _version(text)
    at = before
    while at < version:
        root = compose(text)
        assert isinstance(root, yaml.MappingNode)
        text = applied(text, migrations[at](Draft(text, root)))
        at += 1
    return Migrated(text, before, max(at, version))


def _version(text: str) -> int:
    """The version that a text is of; 0 where it tells none."""
    document, root = read_document(text), compose(text)
    if document is None or root is None:
        raise Unreadable(problem(Place(1, 1), "the recipe is empty", STARTER))
    if not isinstance(document.data, dict):
        message = f"a recipe must be a mapping, found {found(document.data)}"
        raise Unreadable(problem(place_of(root.start_mark), message, "write key: value"))
    version = document.data.get("optkit", 0)
    place = document.positions.value(("optkit",))
    if type(version) is not int or version < 0:
        hint = f"write optkit: {VERSION}, if it is of that form"
        raise Unreadable(problem(place, f"no version: {found(version)}", hint))
    if version > VERSION:
        check_version(document)
    return version
