"""Any figure of the manifest, by the way that leads to it: `steps/quantize_int8/seconds`.

A way is keys joined by slashes. Where it comes to a list it goes on in every row, or in those that
the next word names: by their pass, name, artifact, path, device, scenario or runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optkit.engine.gates.figures import Figure

_NAMES = ("pass", "name", "artifact", "path", "device", "scenario", "runtime", "format")


def figures_at(path: str, manifest: Mapping[str, Any]) -> list[Figure]:
    """Every number at a path; one that has its 95 % interval beside it is told with that."""
    return [figure for figure in _walk(manifest, path.split("/"), "") if figure.value is not None]


def known_beside(path: str, manifest: Mapping[str, Any]) -> list[str]:
    """How a path that leads nowhere can go on from where it still leads."""
    words = path.split("/")
    while words:
        words = words[:-1]
        places = list(_places(manifest, words))
        if places:
            return sorted({word for place in places for word in _onward(place)})
    return []


def _walk(value: Any, words: list[str], at: str) -> Iterator[Figure]:
    if isinstance(value, list):
        if chosen := [row for row in value if words and _called(row, words[0])]:
            yield from _walk(chosen, words[1:], at)
            return
        for row in value:
            own = next(_names(row), "") if len(value) > 1 else ""
            yield from _walk(row, words, " ".join(filter(None, (at, own))))
    elif isinstance(value, Mapping) and words:
        if words[0] not in value:
            return
        inner = value[words[0]]
        if len(words) == 1 and _is_number(inner):
            yield Figure(float(inner), _interval(value, words[0]), at)
        else:
            yield from _walk(inner, words[1:], at)


def _interval(holder: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """The interval that stands beside a value."""
    own = holder.get("intervals", {}).get(key)
    ends = own or (holder.get("ci95") if key in {"value", "mean"} else None)
    return (ends[0], ends[1]) if ends else None


def _places(value: Any, words: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        if chosen := [row for row in value if words and _called(row, words[0])]:
            yield from _places(chosen, words[1:])
        elif words:
            for row in value:
                yield from _places(row, words)
        else:
            yield value
    elif not words:
        yield value
    elif isinstance(value, Mapping) and words[0] in value:
        if len(words) == 1:
            yield value[words[0]]
        else:
            yield from _places(value[words[0]], words[1:])


def _onward(place: Any) -> Iterator[str]:
    if isinstance(place, Mapping):
        yield from map(str, place)
    elif isinstance(place, list) and len(place) == 1:
        yield from _onward(place[0])
    elif isinstance(place, list):
        for row in place:
            yield from _names(row)


def _called(row: Any, word: str) -> bool:
    return word in _names(row)


def _names(row: Any) -> Iterator[str]:
    if isinstance(row, Mapping):
        yield from (row[key] for key in _NAMES if isinstance(row.get(key), str))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
