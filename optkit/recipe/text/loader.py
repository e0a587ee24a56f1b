"""PyYAML's reader with the scalars of YAML 1.2, and bounds on what it takes.

Scalars are read as YAML 1.2 does: `on` and `yes` are text, `1e-3` is a number, dates are text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from optkit.recipe.places import Place, Problem, Unreadable, problem
from optkit.recipe.text.faults import bad_character, explain

MOST_CHARACTERS = 256 * 1024
MOST_DEPTH = 32
MOST_NODES = 10_000

TAG = "tag:yaml.org,2002:"
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_SCALARS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    ("float", re.compile(f"^(?:{_FLOAT})$"), list("-+.0123456789")),
)


class _Loader(yaml.SafeLoader):
    """PyYAML's reader with the scalars of YAML 1.2 and a bound on depth and number."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.nodes > 2 * MOST_NODES:  # keys are nodes too
            raise Unreadable(too_many(place_of(self.get_mark())))
        if self.depth > MOST_DEPTH:
            raise Unreadable(too_deep(place_of(self.get_mark())))
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def add_scalars(target: type[yaml.SafeLoader | yaml.SafeDumper]) -> None:
    """Teach a loader or dumper the scalars of YAML 1.2."""
    for name, pattern, first in _SCALARS:
        target.add_implicit_resolver(TAG + name, pattern, first)


add_scalars(_Loader)


def plain_kind(text: str) -> str:
    """What a scalar without quotes is: `str`, `null`, `bool`, `int` or `float`."""
    return next((name for name, pattern, _ in _SCALARS if pattern.match(text)), "str")


def compose(text: str) -> yaml.Node | None:
    """The nodes of one YAML document; None where there is none.

    Raises:
        Unreadable: the text is no YAML, or longer or deeper than a recipe may be.
    """
    if len(text) > MOST_CHARACTERS:
        message = f"a recipe of more than {MOST_CHARACTERS // 1024} KiB"
        raise Unreadable(
            problem(Place(1, 1), message, "a recipe names files, it does not hold them")
        )
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise Unreadable(bad_character(text, error.position)) from None
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(explain(error, text)) from None
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF", a directive of digits
        place = place_of(loader.get_mark())
        message = "not valid YAML: a number out of range"
        raise Unreadable(problem(place, message, "correct it")) from None
    finally:
        loader.dispose()


def place_of(mark: Any) -> Place:
    """The place of one of PyYAML's marks."""
    return Place(mark.line + 1, mark.column + 1)


def too_many(place: Place) -> Problem:
    """The problem of more values than the bound."""
    message = f"a recipe of more than {MOST_NODES} values, aliases written out"
    return problem(place, message, "a recipe needs far fewer")


def too_deep(place: Place) -> Problem:
    """The problem of what is nested beyond the bound."""
    return problem(place, f"nested more than {MOST_DEPTH} deep", "a recipe needs far less")
