"""Classes that hold an exported program's inputs and outputs, read without importing them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optkit.graphs.exported_trust import programs, texts

_BUILT_IN = ("builtins.", "collections.")


def containers(path: Path) -> dict[str, bool]:
    """Dotted names of the classes in a .pt2, built-in ones left out.

    The value says whether every use tells a key per item, as a dict does.
    """
    found: dict[str, bool] = {}
    with zipfile.ZipFile(path) as archive:
        for program in programs(archive):
            for side in ("in_spec", "out_spec"):
                for text in texts(program, side):
                    for name, keyed in _nodes(json.loads(text)):
                        found[name] = found.get(name, True) and keyed
    return {name: found[name] for name in sorted(found) if not name.startswith(_BUILT_IN)}


def stand_in(name: str) -> None:
    """Let torch read a class of that name as a dict, for as long as nothing better is known."""
    from torch.utils import _pytree

    class Keyed(dict[str, Any]):
        """Holds what the class that is not at hand would hold."""

    def flatten(value: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
        return list(value.values()), list(value)

    _pytree.register_pytree_node(
        Keyed,
        flatten,
        lambda items, keys: Keyed(zip(keys, items, strict=True)),
        serialized_type_name=name,
    )


def _nodes(value: Any) -> Iterator[tuple[str, bool]]:
    """Each node of a serialized tree: its class, and whether its context is a key per item."""
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"], _keyed(value)
        yield from _nodes(value.get("children_spec", []))


def _keyed(node: dict[str, Any]) -> bool:
    try:
        keys = json.loads(node["context"])
    except (KeyError, TypeError, ValueError):
        return False
    fits = isinstance(keys, list) and len(keys) == len(node.get("children_spec", ()))
    return fits and all(isinstance(key, str) for key in keys)
