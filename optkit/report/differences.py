"""How a figure of one run differs from another's, and whether that can be told for noise.

Runs are not timed side by side, so what their own intervals leave open adds up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optkit.core.stats import ROUNDS_TO_TELL, verdict
from optkit.report.tables import Told, Tone
from optkit.report.words import interval, times

Row = Mapping[str, Any]
Estimate = tuple[float, float, float]
"""A value and the two ends of its 95 % interval."""

_TONES: Mapping[str, Tone] = {"faster": "good", "slower": "bad", "too noisy": "note"}


def ratio(before: Estimate, after: Estimate) -> Estimate:
    """How many times `after` is `before`, with its 95 % interval.

    Both are taken for independent; the distances to their ends add as variances do, in logarithms.

    Raises:
        ValueError: an end is not positive.
    """
    (value, low, high), (base, base_low, base_high) = (
        tuple(map(math.log, one)) for one in (after, before)
    )
    below = math.hypot(value - low, base_high - base)
    above = math.hypot(high - value, base - base_low)
    middle = value - base
    return math.exp(middle), math.exp(middle - below), math.exp(middle + above)


def speed(before: Estimate, after: Estimate) -> Told:
    """A difference between two speeds: the more the better.

    The verdict is that of `optkit bench`: a difference counts beyond 1 %, and none within 5 %.
    """
    found, low, high = ratio(before, after)
    word = verdict(low, high, ROUNDS_TO_TELL)
    return Told(f"{times(found)} as fast ({interval((low, high))}), {word}", _TONES.get(word, ""))


def figure(before: float | None, after: float | None, *, more: Tone) -> Told | None:
    """A difference between two figures that are no samples.

    Args:
        before: the first run's; None where it has none.
        after: this run's.
        more: what it means that there is more of it.
    """
    if before is None or after is None or before == after:
        return None
    less: Tone = "bad" if more == "good" else "good"
    tone = more if after > before else less
    if before > 0 and after > 0 and not 0.5 < before / after < 2:
        return Told(f"{times(after / before)}", tone)
    if before:
        return Told(f"{100 * (after - before) / abs(before):+.3g} %".replace("-", "−"), tone)
    return Told(f"{after - before:+.4g}".replace("-", "−"), tone)
