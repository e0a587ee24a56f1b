"""What pydantic found wrong, in plain words and at its place in the recipe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
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
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
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
    empty: Collection[KeyPath] = (),
) -> list[Problem]:
    """Every mistake that a failed validation found, each said once, at its root.

    Args:
        error: what pydantic raised.
        data: what was validated.
        model: what it was validated against.
        positions: of the whole recipe.
        base: the path of `data` in the recipe.
        where: what `data` is, for messages about its own keys.
        empty: keys that were taken out because nothing followed them, which is said already.
    """
    findings = list(_root_causes(_merged(_translated(error, data)), model, empty))
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
        if _leads_on(data, part):
            data = data[part]
        elif not (last and kind == "missing"):
            fork = path if fork is None else fork
            continue
        path = (*path, part)
    return path, fork


def _leads_on(data: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(data, (list, tuple)) and part < len(data)
    return isinstance(data, dict) and part in data


def _merged(findings: Iterable[_Finding]) -> Iterator[list[_Finding]]:
    """Alternatives together: the one that got furthest tells best, several share a message."""
    for fork, group in groupby(
        findings, key=lambda one: one.path if one.fork is None else one.fork
    ):
        members = list(group)
        deepest = max(len(one.path) for one in members)
        if any(one.fork is not None for one in members) and deepest > len(fork):
            for one in members:
                if len(one.path) == deepest:
                    yield [one]
        elif any(one.fork is not None for one in members):
            yield members
        else:
            yield from ([one] for one in members)


def _root_causes(
    groups: Iterable[list[_Finding]], model: type[BaseModel], empty: Collection[KeyPath]
) -> Iterator[list[_Finding]]:
    """Without what only follows: keys missing because they are misspelt or empty.

    A rule over the whole is judged once its parts are there.
    """
    every = list(groups)
    accounted = set(empty)
    for group in every:
        one = group[0]
        if one.kind == "extra_forbidden":
            near = _nearest(str(one.path[-1]), _fields(model, one.path[:-1]))
            accounted.add((*one.path[:-1], near))
    for group in every:
        one = group[0]
        follows = (
            (one.kind == "missing" and one.path in accounted)
            or (one.kind == "too_short" and _any_beneath(every, one.path))
            or (not one.path and empty)
        )
        if not follows:
            yield group


def _any_beneath(groups: Iterable[list[_Finding]], path: KeyPath) -> bool:
    """Pydantic counts only the entries that are right."""
    return any(path == group[0].path[: len(path)] != group[0].path for group in groups)


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
        known = _fields(model, one.path[:-1])
        hint = did_you_mean(str(path[-1]), known) if known else "there are none here: remove it"
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
    if one.kind == "model_type":
        hint = f"its keys are {', '.join(_fields(model, one.path))}"
    return problem(place, message, hint or _told(model, one.path))


def _wording(group: list[_Finding], name: str) -> tuple[str, str]:
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


def _choice(one: _Finding, name: str) -> tuple[str, str]:
    words = re.findall(r"'([^']*)'", one.context["expected"])
    if isinstance(one.value, str) and words:
        return f"{name} cannot be {found(one.value)}", did_you_mean(one.value, words)
    return f"{name} must be {one.context['expected']}, found {found(one.value)}", ""


def _limit(one: _Finding, name: str) -> str:
    key, words = _LIMITS[one.kind]
    if key.endswith("_length"):
        entries = one.context[key]
        noun = "entry" if entries == 1 else "entries"
        return f"{name} must have {words} {entries} {noun}, found {len(one.value)}"
    return f"{name} must be {words} {one.context[key]:g}, found {found(one.value)}"


def _type(one: _Finding, name: str, wanted: list[str]) -> tuple[str, str]:
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
