"""Whether samples are fit to calibrate on: enough, varied, of the right range, and held apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.core.errors import bad_input
from optkit.core.samples import Samples

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

MOST = 512
"""Samples that are looked at, of each set; the others are not read."""

_FEW_CALIBRATION, _FEW_VALIDATION = 32, 8
_OTHER_SCALE = 8.0


@dataclass(frozen=True)
class Range:
    """What is kept of an input's values.

    Attributes:
        low: the least.
        high: the largest.
        whole: whether all are whole numbers.
        floating: whether the input is.
        rank: number of axes.
    """

    low: float
    high: float
    whole: bool
    floating: bool
    rank: int

    @property
    def reach(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Look:
    """What was seen of a set of samples, one at a time.

    Attributes:
        looked: samples read.
        count: samples there are.
        rows: single inputs in those read: a sample of batch 8 holds 8.
        ranges: by input name.
        prints: digests of the rows.
    """

    looked: int
    count: int
    rows: int
    ranges: Mapping[str, Range]
    prints: frozenset[bytes]


def look(samples: Samples, most: int = MOST) -> Look:
    """Read evenly spaced samples, of which one is held at a time."""
    looked = min(samples.count, most)
    ranges: dict[str, Range] = {}
    prints: set[bytes] = set()
    rows = 0
    for at in range(looked):
        arrays = samples.read(at * samples.count // looked)
        for name, array in arrays.items():
            ranges[name] = _wider(ranges.get(name), array)
        for row in _prints(arrays):
            prints.add(row)
            rows += 1
    return Look(looked, samples.count, rows, ranges, frozenset(prints))


def warnings(calibration: Samples, validation: Samples, bounds: Mapping[str, int]) -> list[str]:
    """What a user should know of the data before trusting what was made with it, a line each.

    Samples that were made up are not judged.

    Args:
        calibration: what passes see.
        validation: what the result is judged on.
        bounds: for an integer input, the rows of the table that it indexes.

    Raises:
        OptkitError: an index beyond its table (bad input).
    """
    if calibration.origin != "given":
        return []
    seen = look(calibration)
    _check_indices(seen, bounds, calibration.source)
    told = [*_too_little(seen), *_too_alike(seen), *_raw(seen)]
    if validation.origin == "given":
        other = look(validation)
        _check_indices(other, bounds, validation.source)
        told += [*_apart(seen, other), *_scales(seen, other)]
        if other.count == other.looked and 0 < other.rows < _FEW_VALIDATION:
            told.append(
                f"{_counted(other.rows, 'sample')} to validate on: figures that rest on so few "
                f"say little, give {_FEW_VALIDATION} or more"
            )
    return told


def _wider(known: Range | None, array: np.ndarray) -> Range:
    import numpy as np

    low, high = float(array.min()), float(array.max())
    floating = array.dtype.kind == "f"
    whole = not floating or bool((array == np.rint(array)).all())
    if known is None:
        return Range(low, high, whole, floating, array.ndim)
    return Range(
        min(low, known.low), max(high, known.high), whole and known.whole, floating, array.ndim
    )


def _prints(arrays: Arrays) -> Iterator[bytes]:
    """A digest for each entry of the batch axis; one for all where inputs differ in it."""
    import numpy as np

    lengths = {len(array) if array.ndim else 0 for array in arrays.values()}
    alike = len(lengths) == 1 and 0 not in lengths
    for at in range(lengths.pop() if alike else 1):
        sha = hashlib.sha256()
        for name, array in sorted(arrays.items()):
            part = array[at] if alike else array
            sha.update(f"{name}|{part.dtype.str}|{part.shape}|".encode())
            sha.update(np.ascontiguousarray(part).tobytes())
        yield sha.digest()


def _check_indices(seen: Look, bounds: Mapping[str, int], source: str) -> None:
    for name, found in seen.ranges.items():
        rows = bounds.get(name)
        if rows is not None and not found.floating and found.high >= rows:
            raise bad_input(
                f"input '{name}' of {source} holds {found.high:g}, and indexes a table of {rows} "
                "rows",
                f"give indices from 0 to {rows - 1}: of this network's own vocabulary",
            )


def _too_little(seen: Look) -> Iterator[str]:
    if seen.count == seen.looked and 0 < seen.rows < _FEW_CALIBRATION:
        yield (
            f"{_counted(seen.rows, 'sample')} to calibrate on: ranges found on so few seldom "
            f"hold, give {_FEW_CALIBRATION} or more, better 300"
        )


def _too_alike(seen: Look) -> Iterator[str]:
    for name, found in seen.ranges.items():
        if found.floating and found.low == found.high:
            yield (
                f"input '{name}' is {found.low:g} throughout the calibration samples: "
                "no range can be learnt from it"
            )
    if seen.rows > 1 and len(seen.prints) <= seen.rows // 2:
        yield (
            f"of {seen.rows} calibration samples only {_counted(len(seen.prints), 'differ')} "
            "from each other: give different ones"
        )


def _raw(seen: Look) -> Iterator[str]:
    for name, found in seen.ranges.items():
        pixels = found.floating and found.rank == 4 and found.whole and found.low >= 0
        if pixels and 128 < found.high <= 255:
            yield (
                f"input '{name}' holds whole numbers up to {found.high:g}, as raw images do: "
                "scale them as in training, unless the network does"
            )


def _apart(seen: Look, other: Look) -> Iterator[str]:
    both = len(seen.prints & other.prints)
    if both:
        share = "all" if both == len(other.prints) else f"{both} of {len(other.prints)}"
        yield (
            f"{share} validation samples are calibration samples too: the figures measured on "
            "them flatter the result, validate on others"
        )


def _scales(seen: Look, other: Look) -> Iterator[str]:
    for name, found in seen.ranges.items():
        twin = other.ranges.get(name)
        if twin is None or not found.floating or not found.reach or not twin.reach:
            continue
        ratio = found.reach / twin.reach
        if ratio > _OTHER_SCALE or ratio < 1 / _OTHER_SCALE:
            yield (
                f"input '{name}' reaches from {found.low:.3g} to {found.high:.3g} in calibration, "
                f"from {twin.low:.3g} to {twin.high:.3g} in validation: prepare both as in training"
            )


def _counted(count: int, word: str) -> str:
    if word == "differ":
        return f"{count} {'differs' if count == 1 else 'differ'}"
    return f"{count} {word}{'' if count == 1 else 's'}"
