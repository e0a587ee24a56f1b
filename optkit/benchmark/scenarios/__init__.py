"""One file per scenario: how load is offered to a model.

Each has `prepare(runtime, artifact, settings, arrays)`, which loads the model and returns its
session and a block: a function that runs so many inferences and returns nanoseconds per inference,
one figure for each that it timed by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Session
from optkit.core.errors import bad_input
from optkit.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

Block = Callable[[int], list[float]]
Prepare = Callable[
    [Any, Artifact, Settings, "Mapping[str, np.ndarray]"], tuple[Session, Block]
]  # fmt: skip


def names() -> tuple[str, ...]:
    """Every scenario's word."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__)))


def find(name: str) -> Prepare:
    """The scenario's `prepare`.

    Raises:
        OptkitError: there is no such scenario (bad input).
    """
    if name not in names():
        raise bad_input(f"unknown scenario '{name}'", f"one of {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    prepare: Prepare = module.prepare
    return prepare
