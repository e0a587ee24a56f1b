"""The passes that a recipe names, checked against the catalogue; only those are imported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from optkit.catalogue import did_you_mean, find_pass, pass_names
from optkit.recipe.checks.explain import explain
from optkit.recipe.places import Positions, Problem, problem


def step_problems(data: dict[str, Any], positions: Positions) -> Iterator[Problem]:
    """Unknown passes, unknown options and options of a wrong type under `passes`.

    Entries that are no passes at all are left to the recipe's own model.
    """
    entries = data.get("passes")
    if not isinstance(entries, list):
        return
    options: Any
    for index, entry in enumerate(entries):
        if isinstance(entry, str):
            name, options = entry, {}
        elif isinstance(entry, dict) and len(entry) == 1:
            name, options = next(iter(entry.items()))
        else:
            continue
        place = ("passes", index, name)
        if name not in pass_names():
            hint = did_you_mean(name, pass_names())
            yield problem(positions.key(place), f"unknown pass '{name}'", hint)
        elif isinstance(options, dict) or options is None:
            model = find_pass(name).options
            try:
                model.model_validate_json(json.dumps(options or {}), strict=True)
            except ValidationError as error:
                yield from explain(
                    error, options, model, positions, base=place, where=f"the options of {name}"
                )
