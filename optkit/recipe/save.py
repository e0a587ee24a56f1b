"""Writes a recipe to a file."""

from __future__ import annotations

from pathlib import Path

from optkit.core.errors import bad_input
from optkit.core.writing import write_text
from optkit.recipe.dump import dump
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.relocate import relocated


def check_place(loaded: LoadedRecipe, path: Path) -> None:
    """Refuse a place where the recipe cannot or should not go.

    Raises:
        OptkitError: it is the model or its data, or its folder is not there (bad input).
    """
    if any(path.resolve() == file.resolve() for file in loaded.files()):
        raise bad_input(f"the recipe would overwrite {path}, which it names", "name another file")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise bad_input(f"cannot write {path}: no such folder", "name another file")


def save(loaded: LoadedRecipe, path: Path) -> None:
    """Write the recipe, its paths as seen from the file's folder, its schema wired for editors.

    Raises:
        OptkitError: the file cannot be written (bad input).
    """
    check_place(loaded, path)
    schema = (Path(__file__).parent / "schema.json").as_uri()
    text = dump(relocated(loaded, path.parent), header=f"yaml-language-server: $schema={schema}")
    write_text(path, text)
