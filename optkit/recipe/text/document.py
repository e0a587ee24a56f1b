"""A YAML text as plain data: variables filled in, aliases written out, every place noted.

A recipe may come from anyone: tags are refused, size, depth and the expansion of aliases bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from optkit.recipe.places import KeyPath, Place, Positions, Problem, Unreadable, problem
from optkit.recipe.text.loader import (
    MOST_DEPTH,
    MOST_NODES,
    TAG,
    compose,
    place_of,
    plain_kind,
    too_deep,
    too_many,
)
from optkit.recipe.text.variables import fill, mentions

MOST_DIGITS = 30

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Document:
    """What a text holds.

    Attributes:
        data: mappings, lists, texts, numbers, true / false, None; nothing shared between places.
        positions: where each of them stands.
        problems: duplicate keys and the like, which do not stop reading.
        unset: what is wrong with variables, by the value; those stand as they were written.
    """

    data: Any
    positions: Positions
    problems: tuple[Problem, ...] = ()
    unset: Mapping[KeyPath, tuple[Problem, ...]] = field(default_factory=dict)


def read_document(text: str, environment: Mapping[str, str] | None = None) -> Document | None:
    """Read one YAML document; None where there is none.

    Args:
        text: the YAML.
        environment: what `${env:NAME}` stands for; None leaves variables as they are written.

    Raises:
        Unreadable: the text is no YAML, or not of the kind that a recipe may be.
    """
    node = compose(text)
    if node is None:
        return None
    reader = _Reader(environment)
    data = reader.build(node, ())
    positions = Positions(reader.keys, reader.values)
    return Document(data, positions, tuple(reader.problems), reader.unset)


class _Reader:
    """Builds plain data out of nodes, noting places on the way."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self.environment = environment
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self.unset: dict[KeyPath, tuple[Problem, ...]] = {}
        self.nodes = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = place_of(node.start_mark)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Unreadable(too_many(place))
        if len(path) >= MOST_DEPTH:  # only aliases come here: the loader bounds the rest
            raise Unreadable(too_deep(place))
        self.values[path] = place
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            if self.environment is not None and mentions(node.value):
                return self._filled(node, path, self.environment)
            return _scalar(node.value, node.tag, place)
        raise Unreadable(_bad_tag(node.tag, place))

    def _filled(self, node: yaml.ScalarNode, path: KeyPath, environment: Mapping[str, str]) -> Any:
        """A value with its variables; without quotes it is of the kind that it then looks like."""
        text, faults = fill(node, environment)
        if faults:
            self.unset[path] = tuple(faults)
            return node.value
        written = node.style is None and node.tag == TAG + "str" and text
        tag = TAG + plain_kind(text) if written else node.tag
        return _scalar(text, tag, self.values[path])

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = place_of(key_node.start_mark)
            key = _key(key_node, place)
            if key in out:
                first = self.keys[*path, key]
                hint = f"keep one; the first is on line {first.line}"
                self.problems.append(problem(place, f"'{key}' stands here twice", hint))
                continue
            self.keys[*path, key] = place
            out[key] = self.build(value_node, (*path, key))
        return out


def _key(node: yaml.Node, place: Place) -> str:
    if not (isinstance(node, yaml.ScalarNode) and node.tag == TAG + "str"):
        hint = "a dynamic dimension is written in quotes, '?'; so is a key of digits"
        raise Unreadable(problem(place, "a key must be a word", hint))
    key = _text(str(node.value), place)
    if key == "<<":
        hint = "name the shared part with include:, or use an alias as a whole value"
        raise Unreadable(problem(place, "'<<' does not merge in a recipe", hint))
    if "${" in key:
        raise Unreadable(problem(place, "a key cannot hold a variable", "write the key itself"))
    return key


def _scalar(text: str, tag: str, place: Place) -> Any:
    kind = tag.removeprefix(TAG)
    try:
        match kind:
            case "str":
                return _text(text, place)
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int" if len(text) <= MOST_DIGITS:
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            case "float":
                return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
    except (ValueError, KeyError):
        hint = "correct it, or put it in quotes"
        raise Unreadable(problem(place, "a number or word that cannot be read", hint)) from None
    if kind == "int":
        raise Unreadable(problem(place, "a number out of range", "correct it"))
    raise Unreadable(_bad_tag(tag, place))


def _text(text: str, place: Place) -> str:
    """The text, without what no file's name and no terminal takes."""
    if bad := _NO_TEXT.search(text):
        message = f"the character U+{ord(bad[0]):04X} in a text"
        raise Unreadable(problem(place, message, "remove it"))
    return text


def _bad_tag(tag: str, place: Place) -> Problem:
    shown = tag.replace(TAG, "!!")
    return problem(place, f"the tag {shown} is not allowed in a recipe", "write the plain value")
