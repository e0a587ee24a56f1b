"""Mistakes in recipes as SARIF 2.1.0, which code hosts show beside the lines.

OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0" (2020).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optkit.core.errors import OptkitError
from optkit.core.release import VERSION

Row = Mapping[str, Any]

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class Rule:
    """A kind of mistake.

    Attributes:
        id: stays the same from version to version.
        told: what a recipe of that kind does wrong.
        says: what the message of such a mistake begins with, or holds.
    """

    id: str
    told: str
    says: re.Pattern[str]


def _rule(name: str, told: str, says: str) -> Rule:
    return Rule(f"recipe/{name}", told, re.compile(says))


RULES = (
    _rule("unknown-key", "A key that no recipe has at this place.", r"^unknown key "),
    _rule("unknown-name", "A pass, gate, format or other word that optkit does not know.",
          r"^unknown "),
    _rule("missing", "Something that has to be there is not.",
          r" is missing in |too few entries|has no value$"),
    _rule("yaml", "The text is not YAML, or not of the kind that a recipe may be.",
          r"not valid YAML|not UTF-8|in YAML$|^the tag |not merge|^nested more|twice$|"
          r"^a key (must|cannot)|^a recipe (of|must)|recipe is empty|number or word|out of range$"),
    _rule("include", "A file that is included is not there, or cannot be included.",
          r"\binclude|no such file"),
    _rule("variable", "A variable is not set, or not of the form ${env:NAME}.", r"\bvariable\b"),
    _rule("version", "The recipe's form is of another version.", r"\bversion\b"),
    _rule("path", "A path leaves the recipe's folder.", r"\boutside\b|\bfolder\b"),
    _rule("order", "The passes cannot stand in this order, or do not lead to what is asked for.",
          r"stands before|cannot be made from|none of the passes|^neither "),
    _rule("value", "A value of the wrong kind, or beyond its bounds.", r""),
)  # fmt: skip
"""The first that fits a message is its rule; the last fits all."""


def render(problems: Sequence[Row], errors: Sequence[OptkitError] = ()) -> dict[str, Any]:
    """The log of a check.

    Args:
        problems: `path`, `line`, `column` (both from 1), `message` and `hint` of each mistake.
        errors: what kept files from being checked at all.
    """
    driver = {
        "name": "optkit",
        "version": VERSION,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.told},
                "defaultConfiguration": {"level": "error"},
            }
            for rule in RULES
        ],
    }
    invocation: dict[str, Any] = {"executionSuccessful": not errors}
    if errors:
        invocation["toolExecutionNotifications"] = [
            {"level": "error", "message": {"text": f"{error.message}; {error.hint}"}}
            for error in errors
        ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem) for problem in problems],
            }
        ],
    }


def _result(problem: Row) -> dict[str, Any]:
    said = _QUOTED.sub("''", problem["message"])  # what a recipe says is no kind of mistake
    index = next(at for at, rule in enumerate(RULES) if rule.says.search(said))
    fix = f" Fix: {problem['hint']}" if problem["hint"] else ""
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem["path"])}}
    if problem["line"] > 0:  # what `--set` brought stands on no line
        location["region"] = {"startLine": problem["line"], "startColumn": problem["column"]}
    return {
        "ruleId": RULES[index].id,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": f"{problem['message']}.{fix}"},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: str) -> str:
    """Relative to the current folder where the file lies in it, as code hosts expect."""
    place = Path(path)
    if not place.is_absolute():
        return quote(place.as_posix())
    here = Path.cwd()
    return (
        quote(place.relative_to(here).as_posix()) if place.is_relative_to(here) else place.as_uri()
    )
