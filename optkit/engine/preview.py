"""What a run would do, without doing it."""

from __future__ import annotations

from typing import Any

from optkit.core.events import silent
from optkit.engine.steps import held
from optkit.engine.workplace import Wishes, open_source, open_workshop, workplace
from optkit.planner import Plan, Route, make_plan
from optkit.recipe.load import LoadedRecipe


def preview(loaded: LoadedRecipe, wishes: Wishes) -> dict[str, Any]:
    """The resolved plan as data: targets, their routes in the order tried, steps held by the store.

    Raises:
        OptkitError: bad input.
    """
    with workplace(wishes) as store:
        source = open_source(loaded, store, wishes)
        plan = make_plan(loaded, source.format)
        shop, _ = open_workshop(loaded, store, wishes, silent)
        return _as_data(loaded, plan, [[held(route, shop) for route in target.routes]
                                       for target in plan.targets])  # fmt: skip


def _as_data(loaded: LoadedRecipe, plan: Plan, kept: list[list[int]]) -> dict[str, Any]:
    return {
        "model": loaded.recipe.model.path,
        "format": plan.source_format,
        "targets": [
            {
                "format": target.format,
                "precision": target.precision,
                "routes": [
                    _route(route, count) for route, count in zip(target.routes, counts, strict=True)
                ],
            }
            for target, counts in zip(plan.targets, kept, strict=True)
        ],
    }


def _route(route: Route, kept: int) -> list[dict[str, Any]]:
    return [
        {
            "pass": step.name,
            "takes": step.takes,
            "gives": step.gives,
            "options": dict(step.options),
            "inserted": step.inserted,
            "held": index < kept,
        }
        for index, step in enumerate(route.steps)
    ]
