"""What pydantic found wrong, its locations translated into paths of the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from optkit.recipe.places import KeyPath


@dataclass(frozen=True)
class Finding:
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


def translated(error: ValidationError, data: Any) -> Iterator[Finding]:
    """Each of pydantic's errors on `data`."""
    for raw in error.errors(include_url=False):
        path, fork = _locate(raw["loc"], data, raw["type"])
        yield Finding(
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


def merged(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
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
