"""The version of the recipe's form that is read and written here."""

from __future__ import annotations

from optkit.recipe.places import Unreadable, problem
from optkit.recipe.text.document import Document

VERSION = 1


def check_version(document: Document) -> None:
    """Refuse a document of another version; one that tells none is left to its reader.

    Raises:
        Unreadable: it is of another version.
    """
    version = document.data.get("optkit", VERSION)
    if type(version) is not int or version == VERSION:
        return
    place = document.positions.value(("optkit",))
    if version > VERSION:
        message = f"version {version} of the recipe's form needs a newer optkit"
        raise Unreadable(problem(place, message, "pip install --upgrade optkit"))
    message = f"version {version} of the recipe's form is no longer read"
    raise Unreadable(problem(place, message, "optkit recipe migrate FILE brings it up to date"))
