"""What a finding is called: message and hint, without the place."""

from __future__ import annotations

import re

from optkit.catalogue import did_you_mean
from optkit.recipe.checks.findings import Finding
from optkit.recipe.places import found

_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "dataclass": "a mapping",
}
_KIND = re.compile(r"^(\w+?)(?:_type|_parsing|_from_float|_attributes_type|_exact_type)?$")
_LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
}


def wording(group: list[Finding], name: str) -> tuple[str, str]:
    """Message and, where there is a better one than the key's description, hint."""
    one = group[0]
    if "hint" in one.context:
        return one.text, str(one.context["hint"])
    if one.kind == "literal_error":
        return _choice(one, name)
    if one.kind in _LIMITS:
        return _limit(one, name), ""
    if wanted := list(dict.fromkeys(filter(None, (_expected(each.kind) for each in group)))):
        return _type(one, name, wanted)
    shown = {
        "value_error": f"{name}: {one.context.get('error')}",
        "string_too_short": f"{name} is empty",
        "string_pattern_mismatch": f"{name} cannot be {found(one.value)}",
    }
    return shown.get(one.kind, f"{name}: {one.text[:1].lower()}{one.text[1:]}"), ""


def _choice(one: Finding, name: str) -> tuple[str, str]:
    words = re.findall(r"'([^']*)'", one.context["expected"])
    if isinstance(one.value, str) and words:
        return f"{name} cannot be {found(one.value)}", did_you_mean(one.value, words)
    return f"{name} must be {one.context['expected']}, found {found(one.value)}", ""


def _limit(one: Finding, name: str) -> str:
    key, words = _LIMITS[one.kind]
    if key.endswith("_length"):
        entries = one.context[key]
        noun = "entry" if entries == 1 else "entries"
        return f"{name} must have {words} {entries} {noun}, found {len(one.value)}"
    return f"{name} must be {words} {one.context[key]:g}, found {found(one.value)}"


def _type(one: Finding, name: str, wanted: list[str]) -> tuple[str, str]:
    message = f"{name} must be {' or '.join(wanted)}, found {found(one.value)}"
    if isinstance(one.value, (str, int, float)):
        if wanted == ["text"]:
            return message, f"put it in quotes: '{found(one.value)}'"
        if wanted == ["a list"]:
            return message, f"write it as a list: [{found(one.value).strip(chr(39))}]"
    return message, ""


def _expected(kind: str) -> str | None:
    match = _KIND.match(kind)
    return _EXPECTED.get(match[1]) if match else None
