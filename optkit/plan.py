"""From a recipe to a plan: which steps, in which order, by which routes through the formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optkit.catalogue import all_passes, find_format, find_pass
from optkit.core.contract import Pass
from optkit.core.errors import bad_input
from optkit.recipe.model import Recipe

Where = Callable[..., str]
"""Gives the `recipe.yaml:12:5: ` of a key, given its path; '' where there is no file."""

# Enough for every way through the formats that anyone would take; bounds the search.
_MOST_ROUTES = 12


@dataclass(frozen=True)
class Step:
    """One pass in a route.

    Attributes:
        name: the pass.
        takes: the format it is given.
        gives: the format it makes.
        options: as in the recipe; defaults are not spelled out.
        inserted: whether the planner put it there.
    """

    name: str
    takes: str
    gives: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inserted: bool = False


@dataclass(frozen=True)
class Route:
    """A way from the source to a target."""

    steps: tuple[Step, ...]

    @property
    def cost(self) -> int:
        """What the planner orders routes by."""
        return sum(find_pass(step.name).cost for step in self.steps if step.takes != step.gives)

    @property
    def formats(self) -> str:
        """The formats on the way, as `torchscript → exported → onnx`."""
        names = [step.gives for step in self.steps if step.takes != step.gives]
        return " → ".join([self.steps[0].takes, *names]) if self.steps else ""


@dataclass(frozen=True)
class Target:
    """One format to reach, and the routes to it, cheapest first."""

    format: str
    precision: str
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Plan:
    """All that a recipe asks for."""

    source_format: str
    targets: tuple[Target, ...]


def make_plan(recipe: Recipe, source_format: str, where: Where = lambda *_: "") -> Plan:
    """Resolve a recipe.

    Args:
        recipe: the recipe; without `to`, the model stays in the format it ends up in.
        source_format: what the model file is.
        where: gives the place of a key in the recipe's file, for error messages.

    Raises:
        OptkitError: bad input: passes in an impossible order, a format that cannot be reached, a
            precision that no pass makes there.
    """
    check_order(recipe, where)
    goals = recipe.to or (None,)
    targets = tuple(_target(recipe, source_format, goal, where) for goal in goals)
    return Plan(source_format, targets)


def check_order(recipe: Recipe, where: Where = lambda *_: "") -> None:
    """Check what can be checked of the passes' order without knowing the model.

    Raises:
        OptkitError: a pass stands before one that must come first.
    """
    names = [spec.name for spec in recipe.passes or ()]
    for index, name in enumerate(names):
        late = [other for other in find_pass(name).after if other in names[index + 1 :]]
        if late:
            raise bad_input(
                f"{where('passes', index)}'{name}' stands before '{late[0]}', which must come first",
                f"move '{late[0]}' above '{name}'",
            )


def baseline(route: Route) -> Route:
    """The route without its precision-lowering steps: what a speedup is measured against."""
    return Route(tuple(step for step in route.steps if find_pass(step.name).precision is None))


def _target(recipe: Recipe, source: str, goal: str | None, where: Where) -> Target:
    if recipe.passes is not None:
        wanted = [(spec.name, dict(spec.options)) for spec in recipe.passes]
        precision = _written_precision(recipe, [name for name, _ in wanted], where)
    else:
        precision = recipe.precision or "fp32"
        wanted = [(name, {}) for name in _planned(goal or source, precision, where)]
    ways = sorted(_ways(source, wanted, goal), key=lambda route: (route.cost, len(route.steps)))
    if not ways:
        raise _unreachable(source, [name for name, _ in wanted], goal, where)
    end = ways[0].steps[-1].gives if ways[0].steps else source
    return Target(goal or end, precision, tuple(ways[:_MOST_ROUTES]))


def _written_precision(recipe: Recipe, names: Sequence[str], where: Where) -> str:
    made = [word for name in names if (word := find_pass(name).precision)]
    asked = recipe.precision
    if asked not in {None, "fp32", *made}:
        makers = [item.name for item in all_passes() if item.precision == asked]
        raise bad_input(
            f"{where('precision')}precision {asked} is asked for, but none of the passes makes it",
            f"add {' or '.join(makers) or 'a pass that does'} to the passes",
        )
    return made[-1] if made else "fp32"


def _planned(goal: str, precision: str, where: Where) -> list[str]:
    """The transforms that belong to a target when the recipe does not write them out."""
    passes = all_passes()
    makers = [item for item in passes if precision != "fp32" and item.precision == precision]
    fitting = [item for item in makers if goal in item.takes]
    if precision != "fp32" and not fitting:
        formats = sorted({name for item in makers for name in item.takes})
        raise bad_input(
            f"{where('precision')}no pass makes {precision} models in the format {goal}",
            f"{precision} is made in: {', '.join(formats)}" if formats else "use another precision",
        )
    chosen = [item for item in passes if goal in item.auto] + fitting[:1]
    return [item.name for item in _ordered(chosen)]


def _ordered(passes: Sequence[Pass]) -> list[Pass]:
    """Passes so that each stands after those in its `after`; otherwise as they came."""
    left, done = list(passes), list[Pass]()
    while left:
        waiting = {item.name for item in left}
        ready = next(item for item in left if waiting.isdisjoint(item.after))
        left.remove(ready)
        done.append(ready)
    return done


def _ways(
    source: str, wanted: Sequence[tuple[str, dict[str, Any]]], goal: str | None
) -> Iterator[Route]:
    """Every route that runs the wanted passes in order and ends in the goal."""
    if not wanted:
        for conversions in _conversions(source, None if goal is None else (goal,)):
            yield Route(conversions)
        return
    (name, options), rest = wanted[0], wanted[1:]
    item = find_pass(name)
    for conversions in _conversions(source, item.takes):
        here = conversions[-1].gives if conversions else source
        step = Step(name, here, item.gives or here, options)
        for onward in _ways(step.gives, rest, goal):
            yield Route((*conversions, step, *onward.steps))


def _conversions(
    source: str, goals: Sequence[str] | None, been: tuple[str, ...] = ()
) -> Iterator[tuple[Step, ...]]:
    """Every chain of conversions to one of the goals that meets no format twice."""
    if goals is None or source in goals:
        yield ()
        return
    for item in all_passes():
        if item.gives is None or source not in item.takes or item.gives in (*been, source):
            continue
        step = Step(item.name, source, item.gives, inserted=True)
        for onward in _conversions(item.gives, goals, (*been, source)):
            yield (step, *onward)


def _reachable(source: str) -> list[str]:
    found = {source}
    while True:
        more = {item.gives for item in all_passes() if item.gives and found & {*item.takes}} - found
        if not more:
            return sorted(found)
        found |= more


def _unreachable(source: str, names: list[str], goal: str | None, where: Where) -> Exception:
    reach = _reachable(source)
    if goal is not None and goal not in reach:
        find_format(goal)
        return bad_input(
            f"{where('to')}no route leads from {source} to {goal}",
            f"from {source} optkit reaches: {', '.join(reach)}",
        )
    here = source
    for index, name in enumerate(names):
        item = find_pass(name)
        if not set(item.takes) & set(_reachable(here)):
            return bad_input(
                f"{where('passes', index)}'{name}' takes {' or '.join(item.takes)}, "
                f"which cannot be made from {here} at this point",
                f"move '{name}' before the step that makes {here}" if index else
                f"from {here} optkit reaches: {', '.join(reach)}",
            )  # fmt: skip
        here = item.gives or (here if here in item.takes else item.takes[0])
    return bad_input(
        f"{where('passes')}the passes end in a format from which {goal} cannot be reached",
        f"from {here} optkit reaches: {', '.join(_reachable(here))}",
    )
