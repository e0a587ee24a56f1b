"""Figures as a report writes them."""

from __future__ import annotations

import re
from typing import Any

NOT_MEASURED = "not measured"


# What XML 1.0 has no way to write, and HTML none that is right.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def writable(text: str) -> str:
    """The text without characters that a document cannot hold."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def figure(value: Any) -> str:
    """Four digits that count, six decimals close below 1; text as it is."""
    if value is None:
        return NOT_MEASURED
    if isinstance(value, float) and 0.999 < value < 1:
        return f"{min(value, 0.999999):.6f}"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def size(count: float) -> str:
    """Bytes, in decimal units."""
    for unit, digits in (("B", 0), ("kB", 1), ("MB", 2)):
        if abs(count) < 1000:
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def seconds(value: float) -> str:
    """A duration."""
    if value < 10:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def milliseconds(value: float) -> str:
    """A latency."""
    return f"{value:.3g} ms" if value < 1000 else f"{value:.0f} ms"


def times(ratio: float) -> str:
    """How many times."""
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}×"


def interval(ci95: tuple[float, float]) -> str:
    """Both ends of the 95 % interval of a ratio."""
    return f"{times(ci95[0])} to {times(ci95[1])}"


def counts(found: dict[str, int]) -> str:
    """How many of what: `3 int8, 1 fp32`."""
    return ", ".join(f"{count} {word}" for word, count in found.items())
