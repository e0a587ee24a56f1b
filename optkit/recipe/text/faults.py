"""What PyYAML refused, in plain words."""

from __future__ import annotations

import re

import yaml

from optkit.recipe.places import Place, Problem, problem

_FAULTS = (
    (r"found character '\\t'", "a tab cannot indent", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a second ':' on one line",
        "put each key on a line of its own, or the text in quotes",
    ),
    (
        "expected <block end>",
        "this does not line up with what stands above",
        "give it the indentation of its neighbours",
    ),
    (
        "could not find expected ':'",
        "a key without ':'",
        "write key: value, and indent what belongs to a key",
    ),
    ("while scanning a quoted", "a quote is not closed", "close it on the same line"),
    (
        "unexpected end of stream|but got '<stream end>'",
        "the text ends inside a bracket or a quote",
        "close it",
    ),
    (
        "expected ',' or",
        "a list or mapping in brackets is not closed, or a ',' is missing",
        "separate its entries by ',' and close it",
    ),
    (
        "expected '<document start>'",
        "this belongs to nothing above it",
        "begin top-level keys in the first column; close every bracket just once",
    ),
    ("expected the node content", "a value is missing here", "give it one, or put it in quotes"),
    (
        "expected alphabetic or numeric",
        "'&' and '*' begin the name of an anchor",
        "put the text in quotes",
    ),
    ("expected a single document", "a second document begins here", "keep one recipe to a file"),
    ("undefined alias", "an alias (*) without its anchor (&)", "define the anchor above"),
    ("duplicate anchor", "an anchor (&) of that name was defined above", "rename one of them"),
    (
        "cannot start any token",
        "a character that no plain text begins with",
        "put the text in quotes",
    ),
)


def explain(error: yaml.MarkedYAMLError, text: str) -> Problem:
    """The problem of a text that is no YAML."""
    mark = error.problem_mark or error.context_mark
    place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
    if mark is not None and text[mark.index - 1 : mark.index + 1] == "${":
        message = "a variable among brackets must stand in quotes"
        return problem(place, f"not valid YAML: {message}", 'write "${env:NAME}"')
    told = f"{error.context or ''} {error.problem or ''}"
    for pattern, message, hint in _FAULTS:
        if re.search(pattern, told):
            return problem(place, f"not valid YAML: {message}", hint)
    return problem(place, f"not valid YAML: {error.problem or error.context}", "correct the line")


def bad_character(text: str, index: int) -> Problem:
    """The problem of a character that YAML does not allow."""
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    code = f"U+{ord(text[index]):04X}"
    return problem(Place(line, column), f"the character {code} is not allowed in YAML", "remove it")
