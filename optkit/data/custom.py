"""The user's own code: `module:callable` gives the samples, under `--trust-code` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.hashing import digest
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec
from optkit.core.trust import load_callable
from optkit.data.assemble import assemble, survey
from optkit.data.fit import Piece, choose, fit_piece


def read_custom(
    spec: str, inputs: tuple[TensorSpec, ...], labels: str | None, *, trusted: bool, root: Path
) -> Samples:
    """Samples that a callable without arguments gives.

    It gives dicts of arrays by input name, or (dict, label) pairs; each is a sample or a batch. A
    sequence (with `__len__` and `__getitem__`) is read one item at a time, anything else that can
    be iterated is held in memory.

    Args:
        spec: `package.module:callable`.
        inputs: what the network takes.
        labels: a key of the dicts that holds labels, or None; labels of pairs need no key.
        trusted: whether the user gave `--trust-code`.
        root: searched first for the module.

    Raises:
        OptkitError: untrusted, not importable, failing, or items that do not fit (bad input).
    """
    target = load_callable(spec, trusted=trusted, wanted_for="gives the samples", root=root)
    items = _run(spec, lambda: _items(target()))

    def load(index: int) -> Piece:
        where = f"item {index} of '{spec}'"
        return cast(Piece, _run(spec, lambda: _piece(items[index], inputs, labels, where)))

    extents = survey(load, len(items), inputs, hashed=True)
    content = digest([extent.content for extent in extents])
    return assemble(load, extents, inputs, source=spec, digest=content)


def _items(given: Any) -> Sequence[Any]:
    lazy = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if lazy and not isinstance(given, Mapping):
        return given  # type: ignore[no-any-return]
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise TypeError(f"gives {type(given).__name__}, not samples one after another")
    return list(given)


def _run(spec: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except OptkitError:
        raise
    except Exception as error:
        raise bad_input(
            f"'{spec}' failed: {type(error).__name__}: {root_cause(error)}",
            "it must give dicts of arrays by input name, or (dict, label) pairs",
        ) from error


def _piece(item: Any, inputs: tuple[TensorSpec, ...], key: str | None, where: str) -> Piece:
    import numpy as np

    label = None
    if isinstance(item, tuple) and len(item) == 2:
        item, label = item
    if not isinstance(item, Mapping):
        raise bad_input(
            f"{where} is {type(item).__name__}, not a dict of arrays by input name",
            "give {'" + inputs[0].name + "': array}, or that and a label as a pair",
        )
    if label is not None:
        key = None
    keys = choose([str(name) for name in item], inputs, key, where)
    arrays = {name: np.asarray(item[name]) for name in keys.values()}
    given = item[key] if key is not None else label
    labels = None if given is None else np.asarray(given)
    return fit_piece(arrays, labels, inputs, keys, where, bare=True)
