"""A recipe as it reads from another folder."""

from __future__ import annotations

import os
from pathlib import Path

from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import Dataset, Recipe


def relocated(loaded: LoadedRecipe, folder: Path) -> Recipe:
    """The recipe with its relative paths as they are seen from `folder`."""
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
    return recipe.model_copy(update={"model": model, "data": data, "baseline": baseline})


def _seen(loaded: LoadedRecipe, path: str, folder: Path) -> str:
    place = loaded.resolve(path)
    if Path(path).expanduser().is_absolute() or not place.exists():  # such as module:callable
        return path
    return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()
