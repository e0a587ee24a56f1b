"""A recipe's text, to be changed without touching anything else in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from optkit.recipe.places import KeyPath


@dataclass(frozen=True)
class Edit:
    """Characters `start` to `end` of the text, replaced."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Draft:
    """The text of a recipe of an older version, and its nodes.

    What a migration needs to say is a method here; each gives the edits that do it, none where
    the recipe does not say what is to be changed.
    """

    text: str
    root: yaml.MappingNode

    def renamed(self, path: KeyPath, name: str) -> list[Edit]:
        """The key at a path, spelled anew."""
        return [_instead(key, name) for key, _ in self._found(path)]

    def replaced(self, path: KeyPath, text: str) -> list[Edit]:
        """The value at a path, written anew."""
        return [_instead(value, text) for _, value in self._found(path)]

    def first(self, line: str) -> list[Edit]:
        """A line of its own above the first key, below the comments there."""
        mark = self.root.value[0][0].start_mark if self.root.value else self.root.start_mark
        end = ", " if self.root.flow_style else self._newline() + " " * mark.column
        return [Edit(mark.index, mark.index, line + end)]

    def _found(self, path: KeyPath) -> list[tuple[yaml.Node, yaml.Node]]:
        """Key and value at a path; of an entry of a list, the entry for both."""
        key: yaml.Node = self.root
        value: yaml.Node = self.root
        for part in path:
            if isinstance(value, yaml.MappingNode):
                pairs = [pair for pair in value.value if pair[0].value == part]
            elif isinstance(value, yaml.SequenceNode) and isinstance(part, int):
                pairs = [(node, node) for node in value.value[part : part + 1]]
            else:
                pairs = []
            if not pairs:
                return []
            key, value = pairs[0]
        return [(key, value)]

    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with edits done; they must not overlap."""
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _instead(node: yaml.Node, text: str) -> Edit:
    return Edit(node.start_mark.index, node.end_mark.index, text)
