"""`${env:NAME}` in a value: the environment's variable of that name, and nothing else.

`${env:NAME:-text}` has a default for where it is unset or empty; `$${` stands for `${`. What comes
in is text: it is not looked through again, and cannot bring keys or lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from optkit.recipe.places import Place, Problem, problem

MOST_TEXT = 64 * 1024
"""Characters that one value may have once its variables are filled in."""

_VARIABLE = re.compile(
    r"\$\$\{|\$\{(?:env:(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^{}]*))?\})?", re.ASCII
)
_FORM = "write ${env:NAME} or ${env:NAME:-default}, or $${ for the text itself"


def mentions(text: str) -> bool:
    """Whether a value has a variable, or an escaped one, in it."""
    return "${" in text


def fill(node: yaml.ScalarNode, environment: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The text of a value with its variables filled in, and what is wrong with them."""
    faults: list[Problem] = []
    text = str(node.value)
    left = MOST_TEXT

    def value(match: re.Match[str]) -> str:
        nonlocal left
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        place = _place(node, match.start())
        if name is None:
            faults.append(problem(place, f"no variable: '{text[match.start() :][:20]}'", _FORM))
            return ""
        found = environment.get(name)
        if default is not None and not found:
            found = default
        if found is None:
            hint = f"set it, or give a default: ${{env:{name}:-text}}"
            faults.append(problem(place, f"the environment variable {name} is not set", hint))
            return ""
        left -= len(found)
        if left < 0 <= left + len(found):
            message = f"more than {MOST_TEXT // 1024} KiB of text by the variable {name}"
            faults.append(problem(place, message, "a recipe names files, it does not hold them"))
        return found if left >= 0 else ""

    return _VARIABLE.sub(value, text), faults


def _place(node: yaml.ScalarNode, offset: int) -> Place:
    """Where a part of a value stands: exactly, unless it is folded or escaped."""
    mark = node.start_mark
    quotes = 0 if node.style is None else 1
    on_one_line = node.end_mark.line == mark.line
    as_written = node.end_mark.column - mark.column == len(node.value) + 2 * quotes
    exact = on_one_line and as_written and node.style in {None, "'", '"'}
    return Place(mark.line + 1, mark.column + 1 + (quotes + offset if exact else 0))
