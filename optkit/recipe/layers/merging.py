"""One document laid over another."""

from __future__ import annotations

from typing import Any

from optkit.recipe.places import KeyPath, Positions
from optkit.recipe.text.document import Document


def laid_over(below: Document, above: Document) -> Document:
    """Both as one: mappings merged key by key, anything else as the upper says."""
    replaced: set[KeyPath] = set()
    data = _merge(below.data, above.data, (), replaced)

    def stays(path: KeyPath) -> bool:
        return not any(path[:length] in replaced for length in range(1, len(path) + 1))

    keys = {path: place for path, place in below.positions.keys.items() if stays(path)}
    values = {path: place for path, place in below.positions.values.items() if stays(path)}
    unset = {path: faults for path, faults in below.unset.items() if stays(path)}
    return Document(
        data,
        Positions(keys | dict(above.positions.keys), values | dict(above.positions.values)),
        (*above.problems, *below.problems),
        unset | dict(above.unset),
    )


def _merge(below: Any, above: Any, path: KeyPath, replaced: set[KeyPath]) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        replaced.add(path)
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merge(below[key], value, (*path, key), replaced) if key in below else value
    return merged
