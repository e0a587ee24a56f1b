"""What is computed inside a model: its tensors, each with where it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

_LEAF = re.compile(r"\.(?:weight|bias|in_proj_weight|in_proj_bias)$")


@dataclass(frozen=True)
class Tensor:
    """A floating tensor that a model computes from its inputs.

    Attributes:
        key: tells it from all others of the model; what a probe is asked for.
        names: what it goes by, the one to show first.
        operation: what made it, in the format's words.
        inputs: keys of the tensors that it was computed from, through all that is no tensor of
            its own; `input_key` of a name for an input of the model.
        module: dotted path of the layer in the source's code, where it is known.
    """

    key: str
    names: tuple[str, ...]
    operation: str
    inputs: tuple[str, ...]
    module: str | None = None


def input_key(name: str) -> str:
    """The key that stands for an input of the model."""
    return f"input {name}"


def layer_of(weight: str) -> str | None:
    """The layer whose weight or bias goes by that name; None where it does not tell."""
    name = weight.removeprefix("self.")
    found = _LEAF.search(name)
    return name[: found.start()] if found else None


class Lineage:
    """Collects, node by node in execution order, which tensors each value was computed from."""

    def __init__(self) -> None:
        self._origins: dict[Hashable, dict[str, None]] = {}

    def enter(self, value: Hashable, name: str) -> None:
        """An input of the model."""
        self._origins[value] = {input_key(name): None}

    def of(self, values: Iterable[Hashable]) -> tuple[str, ...]:
        """Keys of the nearest tensors behind some values; none for what is constant."""
        found: dict[str, None] = {}
        for value in values:
            found |= self._origins.get(value, {})
        return tuple(found)

    def passed(self, value: Hashable, values: Iterable[Hashable]) -> None:
        """A value that is no tensor of its own: it hands on what stands behind it."""
        self._origins[value] = dict.fromkeys(self.of(values))

    def made(self, value: Hashable, key: str) -> None:
        """A value that is a tensor."""
        self._origins[value] = {key: None}


def behind(
    key: str, tensors: Mapping[str, Tensor], stops: Callable[[str], bool]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """The nearest ancestors at which to stop, and the tensors in between, nearest first.

    Inputs of the model are stops always.
    """
    ends, between, left = set(), dict[str, None](), list(tensors[key].inputs)
    while left:
        at = left.pop(0)
        if at not in tensors or stops(at):
            ends.add(at)
        elif at not in between:
            between[at] = None
            left += tensors[at].inputs
    return frozenset(ends), tuple(between)
