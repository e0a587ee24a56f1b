"""What each layer loses when channels are taken from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optkit.report.tables import Table

Row = Mapping[str, Any]


def table(step: Row) -> Table | None:
    """Each layer by the shares taken; None where a step did not measure it."""
    found = step["details"].get("sensitivity")
    if not found:
        return None
    details = step["details"]
    return Table(
        f"Sensitivity, {details['measure']} lost on {details['samples']} samples",
        ("layer", "share of its channels taken: drop"),
        [
            (name, ", ".join(f"{100 * row['ratio']:.0f} %: {row['drop']:.3f}" for row in rows))
            for name, rows in found.items()
        ],
    )
