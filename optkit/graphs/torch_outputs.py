"""Names for what a torch network returns: nested dicts, tuples and lists, flattened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.core.errors import bad_input

SINGLE = "output"


def flatten(value: Any) -> list[tuple[str, Any]]:
    """The tensors that a network returned, depth first, each with its name.

    One tensor is `output`; items of a tuple or list are `output_0`, `output_1`, ...; items of a
    dict, dataclass or mapping have their keys; deeper ones are joined as `hidden_0`. None is left
    out, and the items beside it keep their numbers.

    Raises:
        OptkitError: something else than tensors was returned (bad input).
    """
    return list(_leaves(value, ""))


def child(prefix: str, key: object, *, numbered: bool) -> str:
    """The name of an item in a container called `prefix` ('' for the outermost)."""
    if prefix:
        return f"{prefix}_{key}"
    return f"{SINGLE}_{key}" if numbered else str(key)


def spec_names(spec: Any) -> list[str]:
    """The name of every leaf of a pytree `TreeSpec`, as `flatten` would name what it holds."""
    return list(_spec_leaves(spec, ""))


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if value is None:
        return
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        yield prefix or SINGLE, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, child(prefix, key, numbered=False))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from _leaves(item, child(prefix, index, numbered=True))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(
                getattr(value, field.name), child(prefix, field.name, numbered=False)
            )
    else:
        raise bad_input(
            f"the network returns a {type(value).__name__} where a tensor is wanted",
            "return tensors alone, in a dict or tuple (transformers: config.use_cache = False)",
        )


def _spec_leaves(spec: Any, prefix: str) -> Iterator[str]:
    if spec.is_leaf():
        yield prefix or SINGLE
        return
    children = spec.children()
    keys = spec_keys(spec)
    for index, item in enumerate(children):
        key = index if keys is None else keys[index]
        yield from _spec_leaves(item, child(prefix, key, numbered=keys is None))


def spec_keys(spec: Any) -> list[Any] | None:
    """The keys of a dict-like `TreeSpec` node; None where its items are numbered."""
    if isinstance(spec.type, type):
        if issubclass(spec.type, tuple | list):
            return None
    elif spec.type is not None:  # torch writes a function, namedtuple, for those
        return None
    context = spec.context
    if spec.type is not None and dataclasses.is_dataclass(spec.type) and len(context or ()) == 2:
        context = context[0] if isinstance(context[0], list | tuple) else context
    if isinstance(context, list | tuple) and len(context) == 2 and isinstance(context[1], list):
        context = context[1]  # a defaultdict: its factory, then its keys
    fits = isinstance(context, list | tuple) and len(context) == spec.num_children
    return list(context) if fits else None
