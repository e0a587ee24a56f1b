"""Writes a recipe to a file."""

from __future__ import annotations

from pathlib import Path

from optkit.core.errors import bad_input
from optkit.recipe.dump import dump
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.relocate import relocated


def save(loaded: LoadedRecipe, path: Path) -> None:
    """Write the recipe, its paths as seen from the file's folder, its schema wired for editors.

    Raises:
        OptkitError: the file cannot be written, or is the model or its data (bad input).
    """
    if any(path.resolve() == file.resolve() for file in loaded.files()):
        raise bad_input(f"the recipe would overwrite {path}, which it names", "name another file")
    schema = (Path(__file__).parent / "schema.json").as_uri()
    text = dump(relocated(loaded, path.parent), header=f"yaml-language-server: $schema={schema}")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise bad_input(f"cannot write {path}: {error.strerror}", "name another file") from None
