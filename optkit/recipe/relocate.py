"""A recipe as it reads from another folder."""

from __future__ import annotations

import os
from pathlib import Path

from optkit.recipe.checks.paths import PATHS, Fence, folder_of, is_callable, seen, value_at
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import Dataset, Recipe


def relocated(loaded: LoadedRecipe, folder: Path) -> Recipe:
    """The recipe with its relative paths as they are seen from `folder`.

    Where they lead outside of it, the recipe says so: whoever made it has named them.
    """
    recipe = loaded.recipe
    data = recipe.data.model_copy(
        update={
            name: dataset.model_copy(update={"path": _seen(loaded, dataset.path, folder)})
            for name in ("calibration", "validation")
            if isinstance(dataset := getattr(recipe.data, name), Dataset)
        }
    )
    model = recipe.model.model_copy(update={"path": _seen(loaded, recipe.model.path, folder)})
    baseline = recipe.baseline and _seen(loaded, recipe.baseline, folder)
    moved = recipe.model_copy(update={"model": model, "data": data, "baseline": baseline})
    return moved.model_copy(update={"outside": _outside(moved, folder)})


def _seen(loaded: LoadedRecipe, path: str, folder: Path) -> str:
    place = loaded.resolve(path)
    if Path(path).expanduser().is_absolute() or not place.exists():  # such as module:callable
        return path
    return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()


def _outside(recipe: Recipe, folder: Path) -> tuple[str, ...]:
    """The folders outside of one that a recipe's paths lead into."""
    content, found = recipe.model_dump(), list[str]()
    for path in (value_at(content, key) for key in PATHS):
        if path is None or is_callable(path):
            continue
        fence = Fence(tuple(seen(folder, text).resolve() for text in (".", *found)))
        if not fence.holds(seen(folder, path)):
            found.append(folder_of(folder, path))
    return tuple(found)
