"""Which operations an `ignored_scope` names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from optkit.core.errors import bad_input


def scoped(
    operations: Mapping[str, str],
    names: tuple[str, ...],
    patterns: tuple[str, ...],
    types: tuple[str, ...],
) -> frozenset[str]:
    """The names of the operations that stay in floating point.

    Args:
        operations: types by name, all that the graph holds.
        names: names of operations.
        patterns: regular expressions that a name starts with.
        types: operation types.

    Raises:
        OptkitError: a name, pattern or type that nothing in the graph has (bad input).
    """
    found = {name for name in names if name in operations}
    missing = [f"no operation is named '{name}'" for name in names if name not in operations]
    for pattern in patterns:
        try:
            rule = re.compile(pattern)
        except re.error as error:
            raise bad_input(
                f"quantize_int8: '{pattern}' is no regular expression: {error}",
                "mend ignored_scope in the recipe",
            ) from error
        fitting = {name for name in operations if rule.match(name)}
        found |= fitting
        missing += [] if fitting else [f"no operation's name matches '{pattern}'"]
    for kind in types:
        fitting = {name for name, type_ in operations.items() if type_ == kind}
        found |= fitting
        missing += [] if fitting else [f"no operation is of the type '{kind}'"]
    if missing:
        raise bad_input(f"quantize_int8: {missing[0]}", "mend ignored_scope in the recipe")
    return frozenset(found)
