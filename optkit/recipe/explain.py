"""What pydantic found wrong, in plain words and at its place in the recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from optkit.catalogue import did_you_mean
from optkit.recipe.places import KeyPath, Positions, Problem, dotted, found, problem

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
    "too_short": ("min_length", "no shorter than"),
    "too_long": ("max_length", "no longer than"),
}


@dataclass(frozen=True)
class _Finding:
    """One of pydantic's errors, its location translated into a path of the recipe.

    `fork` is where a choice between types lies above it; None where there is none.
    """

    path: KeyPath
    kind: str
    value: Any
    context: dict[str, Any]
    text: str
    fork: KeyPath | None
    at_key: bool


def explain(
    error: ValidationError,
    data: Any,
    model: type[BaseModel],
    positions: Positions,
    *,
    base: KeyPath = (),
    where: str = "the recipe",
) -> list[Problem]:
    """Every mistake that a failed validation found, each said once, at its root.

    Args:
        error: what pydantic raised.
        data: what was validated.
        model: what it was validated against.
        positions: of the whole recipe.
        base: the path of `data` in the recipe.
        where: what `data` is, for messages about its own keys.
    """
    findings = list(_root_causes(_merged(_translated(error, data)), model))
    return [_problem(finding, model, positions, base, where) for finding in findings]


def _translated(error: ValidationError, data: Any) -> Iterator[_Finding]:
    for raw in error.errors(include_url=False):
        path, fork = _locate(raw["loc"], data, raw["type"])
        yield _Finding(
            path,
            raw["type"],
            raw["input"],
            raw.get("ctx", {}),
            raw["msg"],
            fork,
            raw["loc"][-1:] == ("[key]",),
        )


def _locate(location: KeyPath, data: Any, kind: str) -> tuple[KeyPath, KeyPath | None]:
    """The path that a location means; pydantic mixes the names of alternatives into it."""
    path: KeyPath = ()
    fork = None
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif not (last and kind == "missing"):
            fork = path if fork is None else fork
            continue
        path = (*path, part)
    return path, fork


def _merged(findings: Iterable[_Finding]) -> Iterator[list[_Finding]]:
    """Alternatives together: the one that got furthest tells best, several share a message."""
    for fork, group in groupby(findings, key=lambda one: one.fork if one.fork else one.path):
        members = list(group)
        deepest = max(len(one.path) for one in members)
        if any(one.fork for one in members) and deepest > len(fork):
            for one in members:
                if len(one.path) == deepest:
                    yield [one]
        elif any(one.fork for one in members):
            yield members
        else:
            yield from ([one] for one in members)


def _root_causes(
    groups: Iterable[list[_Finding]], model: type[BaseModel]
) -> Iterator[list[_Finding]]:
    """Without the keys that are missing only because they are misspelt."""
    every = list(groups)
    misspelt = set()
    for group in every:
        one = group[0]
        if one.kind == "extra_forbidden":
            near = _nearest(str(one.path[-1]), _fields(model, one.path[:-1]))
            misspelt.add((*one.path[:-1], near))
    yield from (
        group for group in every if not (group[0].kind == "missing" and group[0].path in misspelt)
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    match = re.match(r"did you mean '(.*)'\?", did_you_mean(name, known))
    return match[1] if match else ""


def _problem(
    group: list[_Finding],
    model: type[BaseModel],
    positions: Positions,
    base: KeyPath,
    where: str,
) -> Problem:
    one = group[0]
    path = (*base, *one.path)
    holder = f"'{dotted(path[:-1])}'" if one.path[:-1] else where
    if one.kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), _fields(model, one.path[:-1]) or ("no key at all",))
        return problem(positions.key(path), f"unknown key '{path[-1]}' in {holder}", hint)
    if one.kind == "missing":
        if isinstance(path[-1], int):
            place, text = positions.value(path[:-1]), f"{holder} has too few entries"
        else:
            place, text = positions.key(path[:-1]), f"'{path[-1]}' is missing in {holder}"
        return problem(place, text, _told(model, one.path))
    name = f"'{dotted(path)}'" if path else where
    place = positions.key(path) if one.at_key else positions.value(path)
    message, hint = _wording(group, name)
    return problem(place, message, hint or _told(model, one.path))


def _wording(group: list[_Finding], name: str) -> tuple[str, str]:
    one = group[0]
    if one.kind == "literal_error":
        words = re.findall(r"'([^']*)'", one.context["expected"])
        if isinstance(one.value, str) and words:
            return f"{name} cannot be '{one.value}'", did_you_mean(one.value, words)
        return f"{name} must be {one.context['expected']}, found {found(one.value)}", ""
    if "hint" in one.context:
        return one.text, str(one.context["hint"])
    if one.kind == "value_error":
        return f"{name}: {one.context['error']}", ""
    if one.kind == "string_too_short":
        return f"{name} is empty", ""
    if one.kind == "string_pattern_mismatch":
        return f"{name} cannot be {found(one.value)}", ""
    if one.kind in _LIMITS:
        key, words_ = _LIMITS[one.kind]
        size = "" if key in {"gt", "ge", "lt", "le"} else " entries"
        shown = f"{len(one.value)}" if size else found(one.value)
        return f"{name} must be {words_} {one.context[key]:g}{size}, found {shown}", ""
    wanted = list(dict.fromkeys(filter(None, (_expected(each.kind) for each in group))))
    if not wanted:
        return f"{name}: {one.text[:1].lower()}{one.text[1:]}", ""
    message = f"{name} must be {' or '.join(wanted)}, found {found(one.value)}"
    if wanted == ["text"] and isinstance(one.value, (int, float)):
        return message, f"put it in quotes: '{found(one.value)}'"
    if wanted == ["a list"] and isinstance(one.value, (str, int, float)):
        return message, f"write it as a list: [{found(one.value).strip(chr(39))}]"
    return message, ""


def _expected(kind: str) -> str | None:
    match = _KIND.match(kind)
    return _EXPECTED.get(match[1]) if match else None


def _fields(model: type[BaseModel], path: KeyPath) -> tuple[str, ...]:
    """The keys that the mapping at `path` may have."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return tuple(model.model_fields)


def _told(model: type[BaseModel], path: KeyPath) -> str:
    """What the last key on the path is for."""
    told = ""
    for part in path:
        field: FieldInfo | None = model.model_fields.get(str(part))
        if field:
            told = f"{part}: {field.description}" if field.description else ""
            model = _model_in(field.annotation) or model
    return told


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
