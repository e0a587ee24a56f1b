"""What a baseline knows of an artifact, and what of it a new figure can be held against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optkit.engine.gates.figures import Figure, timed_figure


@dataclass(frozen=True)
class Past:
    """What a baseline knows of an artifact.

    Attributes:
        figures: by name; timed ones once for each device and scenario.
        network: parameters, FLOPs and operations of what the artifact was made from in FP32.
        settings: that it was timed with, by device and scenario.
        elsewhere: how its machine differs from this one; empty where it does not.
        same: whether the artifact is the same, byte for byte.
        why_absent: why the baseline's artifact is not timed beside the new one; empty where it is.
    """

    figures: Mapping[str, Sequence[Figure]]
    network: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    elsewhere: str = ""
    same: bool = False
    why_absent: str = ""

    def figure(self, name: str, at: str) -> Figure | None:
        """The figure of a name and a place; None where it knows none."""
        known = self.figures.get(name, ())
        alone = known[0] if len(known) == 1 and not known[0].at else None
        return next((one for one in known if one.at == at), alone)

    def apart(self, figure: Figure) -> str:
        """Why a ratio of one run is no measure for that of the other; empty where it is."""
        if self.elsewhere:
            return self.elsewhere
        now = (figure.row or {}).get("settings", {})
        then = self.settings.get(figure.at, {})
        differ = [key for key in then if key in now and then[key] != now[key]]
        told = ", ".join(f"{key}: {then[key]}, now {now[key]}" for key in differ)
        return f"measured with other settings ({told})" if told else ""

    def repeated_by(self, figure: Figure) -> bool:
        """Whether a figure's measurement is the one this was taken from: it is in the store."""
        if not self.same or figure.row is None:
            return False
        now, then = (
            timed_figure("latency_ms_mean", figure.row), self.figure("latency_ms_mean", figure.at)
        )  # fmt: skip
        if then is None or now.ci95 is None or then.ci95 is None:
            return False
        pairs = zip(now.interval, then.interval, strict=True)
        return all(math.isclose(one, other, rel_tol=1e-3) for one, other in pairs)
