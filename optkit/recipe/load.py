"""Reads a recipe: text to a checked `Recipe`, every mistake with its line, column and fix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optkit.core.errors import OptkitError, bad_input
from optkit.recipe.changes import change_problems
from optkit.recipe.document import MOST_CHARACTERS, Document, read_document
from optkit.recipe.explain import explain
from optkit.recipe.model import VERSION, Recipe
from optkit.recipe.order import order_problems
from optkit.recipe.overrides import override
from optkit.recipe.places import KeyPath, Place, Positions, Problem, Unreadable, found, problem
from optkit.recipe.steps import step_problems

_STARTER = "optkit convert MODEL --to FORMAT --dry-run --save-recipe FILE writes a recipe"


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and where it came from.

    Attributes:
        recipe: what it says.
        path: the file, as the user named it; paths in the recipe are relative to its folder.
        positions: where each key and value stands.
    """

    recipe: Recipe
    path: Path
    positions: Positions

    def resolve(self, path: str) -> Path:
        """A path of the recipe, seen from the current folder."""
        return self.path.parent / Path(path).expanduser()

    def files(self) -> tuple[Path, ...]:
        """The model and the data that it names, those that are there."""
        data = (self.recipe.data.calibration, self.recipe.data.validation)
        named = (self.recipe.model.path, *(one.path for one in data if one))
        return tuple(path for path in map(self.resolve, named) if os.path.exists(path))  # noqa: PTH110 - no error, whatever the path

    def error(self, path: KeyPath, message: str, hint: str = "") -> OptkitError:
        """Bad input at a place in the recipe, such as ('passes', 1)."""
        return bad_input(problem(self.positions.key(path), message).text(str(self.path)), hint)


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check a recipe file.

    Args:
        path: the file; messages show it as given.
        overrides: `a.b=value` each, as `--set` takes them.

    Raises:
        OptkitError: the file cannot be read, or holds a mistake (bad input); the message begins
            with `recipe.yaml:LINE:COLUMN:` or with the override at fault.
    """
    return parse(read_text(path), path, overrides)


def parse(text: str, path: Path | str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Check the text of a recipe; `path` is where it came from.

    Raises:
        OptkitError: as `load_recipe`.
    """
    recipe, positions, mistakes = _check(text, overrides)
    if recipe is None:
        first, more = mistakes[0], len(mistakes) - 1
        rest = f"and {more} more: optkit lint {path}" if more else ""
        raise bad_input(first.text(str(path)), "; ".join(filter(None, (first.hint, rest))))
    return LoadedRecipe(recipe, Path(path), positions)


def problems(text: str, overrides: Sequence[str] = ()) -> list[Problem]:
    """Every mistake in the text of a recipe, in the order of the lines."""
    return _check(text, overrides)[2]


def from_flags(content: dict[str, Any], flags: Mapping[KeyPath, str] | None = None) -> LoadedRecipe:
    """The recipe that a command's flags amount to; its paths are relative to the current folder.

    Args:
        content: as the YAML would hold it; None for what was not given.
        flags: what the user wrote for a key, such as `--precision int8`; messages begin with it.

    Raises:
        OptkitError: no recipe may say this (bad input).
    """
    written = {(): "the command line", **(flags or {})}
    positions = Positions(values={path: Place(0, 0, text) for path, text in written.items()})
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        first = explain(error, content, Recipe, positions)[0]
        raise bad_input(first.text(""), first.hint) from None
    return LoadedRecipe(recipe, Path("recipe.yaml"), positions)


def read_text(path: Path | str) -> str:
    """The text of a recipe file.

    Raises:
        OptkitError: there is none, or it is not UTF-8 (bad input).
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(4 * MOST_CHARACTERS)  # what exceeds the bound is refused later
    except FileNotFoundError:
        raise bad_input(f"{path}: no such file", f"check the path; {_STARTER}") from None
    except IsADirectoryError:
        raise bad_input(f"{path} is a folder", "name the recipe in it") from None
    except OSError as error:
        raise bad_input(f"{path}: {error.strerror}", "check its permissions") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        place = Place(before.count(b"\n") + 1, column)
        raise bad_input(
            problem(place, "not UTF-8 text").text(str(path)), "save the file as UTF-8"
        ) from None


def _check(text: str, overrides: Sequence[str]) -> tuple[Recipe | None, Positions, list[Problem]]:
    """The recipe, if nothing at all is wrong with it."""
    try:
        document = _read(text, overrides)
    except Unreadable as error:
        return None, Positions(), [error.problem]
    data, positions = document.data, document.positions
    mistakes = list(document.problems)
    empty = list(_take_out_empty(data))
    for path in empty:
        message, hint = f"'{path[-1]}' has no value", "give it one, or remove the line"
        mistakes.append(problem(positions.key(path), message, hint))
    recipe = None
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        mistakes += explain(error, data, Recipe, positions, empty=empty)
    mistakes += step_problems(data, positions)
    if recipe is not None and not mistakes:
        mistakes += order_problems(recipe, positions)
        mistakes += change_problems(recipe, positions)
    mistakes = _each_once(mistakes)
    mistakes.sort(key=lambda one: (bool(one.override), one.line, one.column))
    return (None if mistakes else recipe), positions, mistakes


def _each_once(mistakes: list[Problem]) -> list[Problem]:
    """Without repeats: every alias brings the mistakes of its anchor along."""
    by_place = {
        (one.line, one.column, one.hint, one.override and one.message): one
        for one in reversed(mistakes)
    }
    return list(reversed(by_place.values()))


def _read(text: str, overrides: Sequence[str]) -> Document:
    """The document with its overrides, known to be a recipe of our version."""
    document = read_document(text)
    if document is None:
        raise Unreadable(problem(Place(1, 1), "the recipe is empty", _STARTER))
    if not isinstance(document.data, dict):
        raise Unreadable(
            problem(
                document.positions.value(()),
                f"a recipe must be a mapping, found {found(document.data)}",
                f"begin it with optkit: {VERSION} and model: {{path: ...}}",
            )
        )
    for setting in overrides:
        document = override(document, setting)
    version = document.data.get("optkit", VERSION)
    if type(version) is int and version > VERSION:
        message = f"version {version} of the recipe's form needs a newer optkit"
        raise Unreadable(
            problem(document.positions.value(("optkit",)), message, "pip install --upgrade optkit")
        )
    return document


def _take_out_empty(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Remove keys with nothing after them, outside of `passes`; their paths."""
    entries = list(data.items()) if isinstance(data, dict) else []
    entries += enumerate(data) if isinstance(data, list) else []
    for key, value in entries:
        if value is None and isinstance(data, dict):
            del data[key]
            yield (*path, key)
        elif (*path, key) != ("passes",):
            yield from _take_out_empty(value, (*path, key))
