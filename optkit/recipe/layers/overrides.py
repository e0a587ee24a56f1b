"""`--set a.b=value`: a recipe's values, replaced from the command line."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from optkit.recipe.places import KeyPath, Place, Unreadable, dotted, found, problem
from optkit.recipe.text.document import Document, read_document

_FORM = "write it as --set benchmark.seconds=5; entries of a list by number, passes.0"


def override(document: Document, setting: str) -> Document:
    """The document with one value replaced, or added, along with what leads to it.

    Args:
        document: its data is changed in place.
        setting: `a.b=value`, the value in YAML; a number steps into a list.

    Raises:
        Unreadable: not of that form, or the path leads nowhere.
    """
    place = Place(0, 0, f"--set {setting}")
    keys, sign, text = setting.partition("=")
    parts = keys.strip().split(".")
    if not sign or not all(parts):
        raise Unreadable(problem(place, "not of the form a.b=value", _FORM))
    try:
        value = read_document(text, os.environ)
    except Unreadable as error:
        raise Unreadable(problem(place, error.problem.message, error.problem.hint)) from None

    for fault in [] if value is None else (*value.problems, *sum(value.unset.values(), ())):
        raise Unreadable(problem(place, fault.message, fault.hint))
    holder: Any = document.data
    path: KeyPath = ()
    first_new: KeyPath | None = None
    for part in parts[:-1]:
        key = _key(holder, part, path, place)
        if isinstance(holder, dict) and holder.get(key) is None:
            holder[key] = {}
            first_new = first_new or (*path, key)
        elif isinstance(holder, list) and holder[key] in (parts[len(path) + 1], None):
            holder[key] = {holder[key]: {}}  # a pass without options is about to get some
        holder, path = holder[key], (*path, key)
    key = _key(holder, parts[-1], path, place)
    holder[key] = None if value is None else value.data
    at = first_new or (*path, key)
    unset = {known: one for known, one in document.unset.items() if known[: len(at)] != at}
    return replace(document, positions=document.positions.replaced(at, place), unset=unset)


def _key(holder: Any, part: str, path: KeyPath, place: Place) -> Any:
    """The part as a key of the mapping, or as an index of the list, that `path` leads to."""
    if isinstance(holder, dict):
        return part
    if not isinstance(holder, list):
        message = f"'{dotted(path)}' has nothing inside, it is {found(holder)}"
        raise Unreadable(problem(place, message, "set it as a whole"))
    if not part.isdecimal() or int(part) >= len(holder):
        message = f"'{dotted(path)}' has no entry '{part}'"
        last = len(holder) - 1
        raise Unreadable(
            problem(place, message, f"it has 0 to {last}" if holder else "it is empty")
        )
    return int(part)
