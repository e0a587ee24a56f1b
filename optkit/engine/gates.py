"""Gates: bounds on what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optkit.core.contract import Pass
from optkit.recipe.gates import Bound
from optkit.validate.bounds import default_cosine

Row = dict[str, Any]


def judge(
    wanted: Mapping[str, Bound],
    figures: Mapping[str, float | None],
    precision: str,
    passes: Iterable[Pass] = (),
) -> list[Row]:
    """Hold figures against the recipe's gates and the default bound of the precision.

    Args:
        wanted: the recipe's gates.
        figures: what was measured; None for a figure that could not be.
        precision: decides the default bound on the cosine similarity.
        passes: what changed the model; one that makes another network of it lowers that bound.

    Returns:
        One row per gate: name, bound, value, held. A figure that was not measured is not held.
    """
    own = [item.cosine for item in passes if item.cosine is not None]
    bounds = {"cosine": Bound(min=min([default_cosine(precision), *own])), **wanted}
    return [_row(name, bound, figures.get(name)) for name, bound in bounds.items()]


def outputs_gate(outputs: Sequence[Mapping[str, Any]]) -> Row:
    """Every output is there, finite, and varies where the source's does; some can be compared."""
    problems = [f"{row['name']}: {row['problem']}" for row in outputs if row["problem"]]
    if not problems and all(row["verdict"] == "unverified" for row in outputs):
        problems = ["nothing verified: every output of the source is constant"]
    return {
        "name": "outputs",
        "bound": "finite, of the source's shape, varying",
        "value": "; ".join(problems) or "as they should be",
        "held": not problems,
    }


def precision_gate(precision: str, achieved: Mapping[str, int]) -> Row:
    """What was asked for is found in the artifact."""
    count = achieved.get(precision, 0)
    return {
        "name": "precision",
        "bound": f"some operation in {precision}",
        "value": count,
        "held": count > 0,
    }


def promised(name: str, details: Mapping[str, Any]) -> list[Row]:
    """The bounds that a step was given in its own options, as it says it met or missed them."""
    return [{**row, "name": f"{name}.{row['name']}"} for row in details.get("bounds", ())]


def _row(name: str, bound: Bound, value: float | None) -> Row:
    return {
        "name": name,
        "bound": str(bound),
        "value": value,
        "held": value is not None and bound.holds(value),
    }
