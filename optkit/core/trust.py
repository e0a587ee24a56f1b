"""The one door through which a user's own code comes in, open under `--trust-code` alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optkit.core.errors import bad_input, root_cause


@contextmanager
def importing_from(root: Path) -> Iterator[None]:
    """Search `root` first for modules, then the current folder."""
    places = [str(place) for place in search_path(root)]
    sys.path[:0] = places
    try:
        yield
    finally:
        for place in places:
            sys.path.remove(place)


def search_path(root: Path) -> tuple[Path, ...]:
    """Where a user's own modules are looked for: beside the recipe, then in the current folder."""
    return tuple(dict.fromkeys((root.resolve(), Path.cwd())))


def load_callable(spec: str, *, trusted: bool, wanted_for: str, root: Path) -> Callable[..., Any]:
    """Import `package.module:callable`, from `root` or the environment.

    Args:
        spec: what to import.
        trusted: whether the user gave `--trust-code`.
        wanted_for: what the callable does, for the refusal ("builds the network").
        root: the folder of the recipe; searched first, then the current folder.

    Raises:
        OptkitError: untrusted, malformed, or not importable (bad input).
    """
    if not trusted:
        raise bad_input(
            f"'{spec}' {wanted_for} and would be imported and run, which was not allowed",
            "if you trust this code, add --trust-code",
        )
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise bad_input(f"'{spec}' names no callable", "write it as package.module:callable")
    try:
        with importing_from(root):
            target: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError) as error:
        raise bad_input(
            f"cannot import '{spec}': {error}", "check the spelling and that it is installed"
        ) from error
    except Exception as error:  # the module's own code failed
        raise bad_input(
            f"importing '{module_name}' failed: {type(error).__name__}: {root_cause(error)}",
            f"mend it until this works: python -c 'import {module_name}'",
        ) from error
    if not callable(target):
        raise bad_input(f"'{spec}' is not callable", "name a function or a class")
    return target  # type: ignore[no-any-return]
