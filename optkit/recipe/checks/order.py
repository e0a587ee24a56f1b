"""Whether a recipe's passes can stand in their order, as far as that is known without the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optkit.catalogue import all_passes, find_pass, format_names, reachable
from optkit.recipe.model import Recipe
from optkit.recipe.places import Positions, Problem, problem


def order_problems(recipe: Recipe, positions: Positions) -> Iterator[Problem]:
    """No goal; passes that stand too early, that no format reaches, or that miss the precision."""
    if not recipe.to and not recipe.passes:
        yield problem(
            positions.key(()),
            "neither 'to' nor 'passes': nothing to do",
            "name the format to make, such as to: onnx",
        )
    if recipe.passes is None:
        return
    names = [spec.name for spec in recipe.passes]
    found = [*_too_early(names, positions), *_missed_precision(recipe, positions)]
    yield from found or _broken_chain(names, recipe.to, positions)


def precision_of(recipe: Recipe) -> str:
    """The precision that a recipe's written passes make: the last one's that lowers it."""
    made = [word for spec in recipe.passes or () if (word := find_pass(spec.name).precision)]
    return made[-1] if made else "fp32"


def _too_early(names: Sequence[str], positions: Positions) -> Iterator[Problem]:
    for index, name in enumerate(names):
        late = [other for other in find_pass(name).after if other in names[index + 1 :]]
        if late:
            yield problem(
                positions.key(("passes", index)),
                f"'{name}' stands before '{late[0]}', which must come first",
                f"move '{late[0]}' above '{name}'",
            )


def _missed_precision(recipe: Recipe, positions: Positions) -> Iterator[Problem]:
    asked = recipe.precision
    made = {find_pass(spec.name).precision for spec in recipe.passes or ()}
    if asked in {None, "fp32", *made}:
        return
    makers = [item.name for item in all_passes() if item.precision == asked]
    yield problem(
        positions.key(("precision",)),
        f"precision {asked} is asked for, but none of the passes makes it",
        f"add {' or '.join(makers) or 'a pass that does'} to the passes",
    )


def _broken_chain(
    names: Sequence[str], goals: Sequence[str], positions: Positions
) -> Iterator[Problem]:
    here = set(format_names())
    for index, name in enumerate(names):
        item = find_pass(name)
        entering = reachable(here) & {*item.takes}
        if not entering:
            before = names[index - 1]
            yield problem(
                positions.key(("passes", index)),
                f"'{name}' takes {' or '.join(item.takes)}, which cannot be made from "
                f"{' or '.join(sorted(here))}, where '{before}' ends",
                f"move '{name}' above '{before}'",
            )
            return
        here = {item.gives} if item.gives else entering
    for index, goal in enumerate(goals):
        if goal not in reachable(here):
            reach = ", ".join(sorted(reachable(here)))
            yield problem(
                positions.value(("to", index)),
                f"{goal} cannot be made from {' or '.join(sorted(here))}, where the passes end",
                f"from there optkit reaches: {reach}",
            )
