"""Reads a recipe: text to a checked `Recipe`, every mistake with its line, column and fix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optkit.core.errors import OptkitError, bad_input
from optkit.recipe.checks.changes import change_problems
from optkit.recipe.checks.explain import explain
from optkit.recipe.checks.order import order_problems
from optkit.recipe.checks.paths import fence_of, path_faults
from optkit.recipe.checks.steps import step_problems
from optkit.recipe.layers.stack import stacked
from optkit.recipe.model import Recipe
from optkit.recipe.places import KeyPath, Place, Positions, Problem, Unreadable, problem
from optkit.recipe.text.document import Document
from optkit.recipe.text.files import decoded, read_text

__all__ = [
    "LoadedRecipe",
    "from_flags",
    "load_recipe",
    "parse",
    "problems",
    "problems_in",
    "read_text",
]


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

    def place(self, path: KeyPath) -> Place:
        """Where a key stands: line, column, and the file where that is included."""
        return self.positions.key(path)

    def error(self, path: KeyPath, message: str, hint: str = "") -> OptkitError:
        """Bad input at a place in the recipe, such as ('passes', 1)."""
        return bad_input(problem(self.place(path), message).text(str(self.path)), hint)


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check a recipe file, with the files that it includes.

    Args:
        path: the file; messages show it as given.
        overrides: `a.b=value` each, as `--set` takes them.

    Raises:
        OptkitError: the file cannot be read, or holds a mistake (bad input); the message begins
            with `recipe.yaml:LINE:COLUMN:` or with the override at fault.
    """
    recipe, positions, mistakes = _checked(path, overrides)
    return _loaded(recipe, positions, mistakes, path)


def parse(text: str, path: Path | str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Check the text of a recipe; `path` is where it came from.

    Raises:
        OptkitError: as `load_recipe`.
    """
    recipe, positions, mistakes = _check(text, Path(path), overrides)
    return _loaded(recipe, positions, mistakes, path)


def problems(
    text: str, overrides: Sequence[str] = (), path: Path | str = "recipe.yaml"
) -> list[Problem]:
    """Every mistake in the text of a recipe, in the order of the lines.

    `path` is where it came from: what it includes and names is relative to that.
    """
    return _check(text, Path(path), overrides)[2]


def problems_in(path: Path | str, overrides: Sequence[str] = ()) -> list[Problem]:
    """Every mistake in a recipe file and what it includes.

    Raises:
        OptkitError: there is no such file (bad input).
    """
    return _checked(path, overrides)[2]


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


_Checked = tuple[Recipe | None, Positions, list[Problem]]


def _loaded(
    recipe: Recipe | None, positions: Positions, mistakes: list[Problem], path: Path | str
) -> LoadedRecipe:
    if recipe is None:
        first, more = mistakes[0], len(mistakes) - 1
        rest = f"and {more} more: optkit lint {path}" if more else ""
        raise bad_input(first.text(str(path)), "; ".join(filter(None, (first.hint, rest))))
    return LoadedRecipe(recipe, Path(path), positions)


def _checked(path: Path | str, overrides: Sequence[str]) -> _Checked:
    try:
        text = decoded(path)
    except Unreadable as error:
        return None, Positions(), [error.problem]
    return _check(text, Path(path), overrides)


def _check(text: str, path: Path, overrides: Sequence[str]) -> _Checked:
    """The recipe, if nothing at all is wrong with it."""
    try:
        document = stacked(text, path, overrides)
    except Unreadable as error:
        return None, Positions(), [error.problem]
    data, positions = document.data, document.positions
    mistakes = list(document.problems)
    empty = list(_take_out_empty(data))
    for key in empty:
        message, hint = f"'{key[-1]}' has no value", "give it one, or remove the line"
        mistakes.append(problem(positions.key(key), message, hint))
    recipe = None
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        mistakes += explain(error, data, Recipe, positions, empty=empty)
    mistakes += step_problems(data, positions)
    fence = fence_of(path.parent, data)
    for key, message, hint in path_faults(document, fence):
        mistakes.append(problem(positions.value(key), message, hint))
    if recipe is not None and not mistakes and not document.unset:
        mistakes += order_problems(recipe, positions)
        mistakes += change_problems(recipe, positions)
    mistakes = _each_once(_without_followers(mistakes, document))
    mistakes.sort(key=lambda one: (bool(one.override), one.file, one.line, one.column))
    return (None if mistakes else recipe), positions, mistakes


def _without_followers(mistakes: list[Problem], document: Document) -> list[Problem]:
    """What is wrong with variables in place of what is wrong with values that lack theirs."""
    places = {document.positions.value(path) for path in document.unset}
    faults = [fault for several in document.unset.values() for fault in several]
    return [one for one in mistakes if one.place not in places] + faults


def _each_once(mistakes: list[Problem]) -> list[Problem]:
    """Without repeats: every alias brings the mistakes of its anchor along."""
    by_place = {
        (one.place, one.hint, one.override and one.message): one for one in reversed(mistakes)
    }
    return list(reversed(by_place.values()))


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
