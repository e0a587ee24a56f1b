"""Reads the text of a recipe file."""

from __future__ import annotations

from pathlib import Path

from optkit.core.errors import bad_input
from optkit.recipe.places import Place, Unreadable, problem
from optkit.recipe.text.loader import MOST_CHARACTERS

STARTER = "optkit init MODEL writes a recipe"


def read_text(path: Path | str) -> str:
    """The text of a recipe file.

    Raises:
        OptkitError: there is none, or it is not UTF-8 (bad input).
    """
    try:
        return decoded(path)
    except Unreadable as error:
        raise bad_input(error.problem.text(str(path)), error.problem.hint) from None


def decoded(path: Path | str) -> str:
    """The text of a recipe file.

    Raises:
        OptkitError: there is none (bad input).
        Unreadable: it is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(4 * MOST_CHARACTERS + 1)  # what exceeds the bound is refused later
    except FileNotFoundError:
        raise bad_input(f"{path}: no such file", f"check the path; {STARTER}") from None
    except IsADirectoryError:
        raise bad_input(f"{path} is a folder", "name the recipe in it") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise bad_input(f"{path}: {cause}", "check its name and its permissions") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > 4 * MOST_CHARACTERS and error.end >= len(content):
            return "#" * (MOST_CHARACTERS + 1)  # cut inside a character: too long, not ill-written
        before = content[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        place = Place(before.count(b"\n") + 1, column)
        raise Unreadable(problem(place, "not UTF-8 text", "save the file as UTF-8")) from None
