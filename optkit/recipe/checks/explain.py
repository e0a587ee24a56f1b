"""What pydantic found wrong, in plain words and at its place in the recipe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from optkit.catalogue import did_you_mean
from optkit.recipe.checks.findings import Finding, merged, translated
from optkit.recipe.checks.wording import wording
from optkit.recipe.places import KeyPath, Positions, Problem, dotted, problem


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
    findings = list(_root_causes(merged(translated(error, data)), model, empty))
    return [_problem(finding, model, positions, base, where) for finding in findings]


def _root_causes(
    groups: Iterable[list[Finding]], model: type[BaseModel], empty: Collection[KeyPath]
) -> Iterator[list[Finding]]:
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
            or any(key[: len(one.path)] == one.path for key in empty if "hint" in one.context)
        )
        if not follows:
            yield group


def _any_beneath(groups: Iterable[list[Finding]], path: KeyPath) -> bool:
    """Pydantic counts only the entries that are right."""
    return any(path == group[0].path[: len(path)] != group[0].path for group in groups)


def _nearest(name: str, known: Iterable[str]) -> str:
    match = re.match(r"did you mean '(.*)'\?", did_you_mean(name, known))
    return match[1] if match else ""


def _problem(
    group: list[Finding],
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
    message, hint = wording(group, name)
    if one.kind == "model_type":
        hint = f"its keys are {', '.join(_fields(model, one.path))}"
    return problem(place, message, hint or _told(model, one.path))


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
