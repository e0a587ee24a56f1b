"""Strings pieces together to samples: cuts them into inputs, batches consecutive ones."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.core.hashing import digest as digest_of
from optkit.core.samples import Samples
from optkit.core.signature import TensorSpec, spec_to_json
from optkit.data.fit import Piece, batch, rank

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Extent:
    """What one piece holds, known without keeping it.

    Attributes:
        rows: length of axis 0 by input name.
        whole: inputs whose array holds whole inputs along axis 0.
        labelled: whether labels come with it.
        content: SHA-256 over its arrays.
    """

    rows: Mapping[str, int]
    whole: frozenset[str]
    labelled: bool
    content: str = ""


def survey(
    load: Callable[[int], Piece],
    count: int,
    inputs: tuple[TensorSpec, ...],
    *,
    hashed: bool = False,
) -> list[Extent]:
    """Read every piece once, one at a time: all mistakes in it are told before any work."""
    extents = []
    for index in range(count):
        piece = load(index)
        extents.append(
            Extent(
                {spec.name: len(piece.arrays[spec.name]) for spec in inputs},
                frozenset(s.name for s in inputs if piece.arrays[s.name].ndim == rank(s) + 1),
                piece.labels is not None,
                _content(piece) if hashed else "",
            )
        )
    return extents


def assemble(
    load: Callable[[int], Piece],
    extents: Sequence[Extent],
    inputs: tuple[TensorSpec, ...],
    *,
    source: str,
    digest: str,
) -> Samples:
    """Samples over pieces, of which one at a time is held.

    Args:
        load: the i-th piece.
        extents: what each piece holds.
        inputs: what the network takes; a fixed batch groups as many consecutive samples, and a
            remainder is dropped.
        source: where the pieces come from, for messages.
        digest: of all that the pieces hold; joined here with the inputs' shapes and dtypes.

    Raises:
        OptkitError: no data, too few samples for one batch, counts that differ between inputs,
            or pieces of different kinds (bad input).
    """
    if not extents:
        raise bad_input(f"{source} is empty", "give at least one sample")
    whole, labelled = extents[0].whole, extents[0].labelled
    if any(extent.whole != whole for extent in extents):
        raise bad_input(
            f"{source} mixes arrays of the input's own rank with arrays of whole inputs",
            "give every file the same rank",
        )
    if any(extent.labelled != labelled for extent in extents):
        raise bad_input(f"only some samples of {source} have labels", "label all of them or none")
    names = [spec.name for spec in inputs]
    starts = {
        name: list(accumulate((extent.rows[name] for extent in extents), initial=0))
        for name in names
    }
    steps = {spec.name: 1 if spec.name in whole else batch(spec) for spec in inputs}
    count = _count({name: starts[name][-1] for name in names}, steps, source)
    held = lru_cache(maxsize=1)(load)

    @lru_cache(maxsize=1)
    def gather(index: int) -> Piece:
        pieces: dict[int, Piece] = {}

        def rows(name: str, of: Callable[[Piece], np.ndarray]) -> np.ndarray:
            parts = []
            for at, start, stop in _spans(starts[name], index * steps[name], steps[name]):
                if at not in pieces:
                    pieces[at] = held(at)
                parts.append(of(pieces[at])[start:stop])
            return parts[0][0, ...] if name in whole else _joined(parts, source)

        arrays = {name: rows(name, lambda piece, n=name: piece.arrays[n]) for name in names}  # type: ignore[misc]
        return Piece(arrays, rows(names[0], _labels_of) if labelled else None)

    return Samples(
        count=count,
        # a network may write into its input: hand out copies
        read=lambda index: {name: array.copy() for name, array in gather(index).arrays.items()},
        labels=(lambda index: _labels_of(gather(index)).copy()) if labelled else None,
        origin="given",
        digest=digest_of([digest, [spec_to_json(spec) for spec in inputs]]),
        source=source,
    )


def _count(rows: Mapping[str, int], steps: Mapping[str, int], source: str) -> int:
    for name, number in rows.items():
        if number < steps[name]:
            raise bad_input(
                f"{source} holds {number} samples, input '{name}' takes a batch of {steps[name]}",
                f"give at least {steps[name]} samples",
            )
    counts = {number // steps[name] for name, number in rows.items()}
    uneven = any(
        steps[a] == steps[b] and rows[a] != rows[b] for a in rows for b in rows
    )  # equal steps, so the rows themselves must agree, remainder and all
    if len(counts) > 1 or uneven:
        told = ", ".join(f"'{name}' {number}" for name, number in rows.items())
        raise bad_input(
            f"{source} holds different numbers of samples: {told}",
            "give every input as many; an input without batch axis takes an array of rank + 1",
        )
    return counts.pop()


def _spans(starts: list[int], first: int, length: int) -> list[tuple[int, int, int]]:
    """Where rows `first` to `first + length` lie: (piece, from, to) for each piece they touch."""
    spans, last = [], first + length
    at = bisect_right(starts, first) - 1
    while first < last:
        stop = min(last, starts[at + 1])
        spans.append((at, first - starts[at], stop - starts[at]))
        first, at = stop, at + 1
    return spans


def _joined(parts: list[np.ndarray], source: str) -> np.ndarray:
    import numpy as np

    if len({part.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(sorted({str(part.shape[1:]) for part in parts}))
        raise bad_input(
            f"{source}: samples of one batch have different shapes: {shapes}",
            "give the samples one size (images: the option resize), or the model a batch of 1",
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _labels_of(piece: Piece) -> np.ndarray:
    assert piece.labels is not None
    return piece.labels


def _content(piece: Piece) -> str:
    import numpy as np

    sha = hashlib.sha256()
    arrays = dict(piece.arrays) | ({} if piece.labels is None else {"": piece.labels})
    for name, array in sorted(arrays.items()):
        sha.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
