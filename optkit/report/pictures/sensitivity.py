"""What layers lose when channels are taken from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optkit.report.figure import Axis, Figure, Series

Row = Mapping[str, Any]

# As many as there are colours.
_LAYERS = 5


def of_run(run: Row) -> Iterator[Figure]:
    """What each layer loses when channels are taken: the layers that lose most, by name."""
    for step in run["steps"]:
        table: Mapping[str, Sequence[Row]] = step["details"].get("sensitivity") or {}
        worst = {name: max((row["drop"] for row in rows), default=0.0)
                 for name, rows in table.items() if rows}  # fmt: skip
        shown = sorted(worst, key=lambda name: -worst[name])[:_LAYERS]
        if not shown:
            continue
        yield Figure(
            title="Sensitivity of the layers" + (
                f", the {_LAYERS} most sensitive of {len(worst)}" if len(worst) > _LAYERS else ""
            ),
            told="; ".join(f"{name}: {worst[name]:.3f} at most" for name in shown),
            x=Axis("share of the layer's channels taken", span=0.9),
            y=Axis(f"drop: {step['details']['measure']}", span=0.02),
            series=[
                Series(
                    name,
                    line=[(0.0, 0.0), *((row["ratio"], row["drop"]) for row in table[name])],
                )
                for name in shown
            ],
        )  # fmt: skip
