"""Gates on changes that no two runs could be held against each other by."""

from __future__ import annotations

from optkit.recipe.model import Recipe
from optkit.recipe.places import Positions, Problem, problem

_BY_NAME = "bound it by max, or name a figure with an interval: latency_ms_p50, speedup"


def change_problems(recipe: Recipe, positions: Positions) -> list[Problem]:
    """The gates that are relative to a baseline, and cannot be."""
    found = []
    for name, gate in recipe.gates.items():
        if not gate.relative:
            continue
        place = positions.key(("gates", name))
        if name == "speedup_vs_baseline":
            text = "the gate 'speedup_vs_baseline' is a change already"
            found.append(problem(place, text, "write {min: 0.9}: no more than 10 % slower"))
        elif "/" in name and (name.startswith("benchmark/") or name.endswith("/seconds")):
            text = f"the gate '{name}' is a time, and those of two runs cannot be compared"
            found.append(problem(place, text, _BY_NAME))
    return found
