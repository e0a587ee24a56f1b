"""Where the ticks of an axis stand: at figures that people read easily."""

from __future__ import annotations

import math

_MOST, _LEAST = 5, 3


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents; their multiples, or any round figures, where few."""
    for within in ((1,), (1, 3), (1, 2, 5)):
        found = [
            float(f"{digit}e{power}")
            for power in range(math.floor(low), math.ceil(high) + 1)
            for digit in within
            if low <= math.log10(float(f"{digit}e{power}")) <= high
        ]
        if len(found) >= _LEAST:
            return found
    return rounds(10**low, 10**high)


def rounds(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _MOST
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
    return [
        float(f"{at * step:.12g}")
        for at in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]
