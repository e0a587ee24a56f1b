"""From a recipe to a plan: which steps, in which order, by which routes through the formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optkit.catalogue import all_passes, find_pass, reachable
from optkit.core.errors import OptkitError
from optkit.recipe.checks.order import precision_of
from optkit.recipe.load import LoadedRecipe

# What a plan of optkit's own does to a graph, in this order: each makes room for the next.
_DEFAULT: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "onnx": {
        "simplify": {},
        "fuse_batchnorm": {},
        "fuse_scale_shift": {},
        "fuse_linear": {},
        "fuse_grouped_conv": {"runtime": "onnxruntime"},
        "optimize_strides": {},
    },
}

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


def make_plan(loaded: LoadedRecipe, source_format: str) -> Plan:
    """Resolve a recipe for a source of a known format.

    Without `to`, the model stays in the format that the passes end in.

    Raises:
        OptkitError: bad input, with its place in the recipe: a format that cannot be reached from
            the source, a precision that no pass makes there.
    """
    goals = loaded.recipe.to or (None,)
    return Plan(source_format, tuple(_target(loaded, source_format, goal) for goal in goals))


def baseline(route: Route) -> Route:
    """The route without its precision-lowering steps: what a speedup is measured against."""
    return Route(tuple(step for step in route.steps if find_pass(step.name).precision is None))


def _target(loaded: LoadedRecipe, source: str, goal: str | None) -> Target:
    recipe = loaded.recipe
    if recipe.passes is not None:
        wanted = [(spec.name, dict(spec.options)) for spec in recipe.passes]
        precision = precision_of(recipe)
    else:
        precision = recipe.precision or "fp32"
        wanted = _planned(loaded, goal or source, precision)
    ways = sorted(_ways(source, wanted, goal), key=_preference)
    if not ways:
        raise _unreachable(loaded, source, [name for name, _ in wanted], goal)
    end = ways[0].steps[-1].gives if ways[0].steps else source
    return Target(goal or end, precision, tuple(ways[:_MOST_ROUTES]))


def _preference(route: Route) -> tuple[int, int, int]:
    """Cheap before short; then the precision is best lowered in the format that is wanted."""
    lowered = [step.gives for step in route.steps if find_pass(step.name).precision]
    elsewhere = sum(name != route.steps[-1].gives for name in lowered)
    return route.cost, len(route.steps), elsewhere


def _planned(loaded: LoadedRecipe, goal: str, precision: str) -> list[tuple[str, dict[str, Any]]]:
    """The transforms that belong to a target when the recipe does not write them out."""
    makers = [item for item in all_passes() if precision != "fp32" and item.precision == precision]
    fitting = [item for item in makers if goal in item.takes]
    if precision != "fp32" and not fitting:
        formats = sorted({name for item in makers for name in item.takes})
        raise loaded.error(
            ("precision",),
            f"no pass makes {precision} models in the format {goal}",
            f"{precision} is made in: {', '.join(formats)}" if formats else "use another precision",
        )
    chosen = {**_DEFAULT.get(goal, {}), **{item.name: {} for item in fitting[:1]}}
    return [(name, dict(options)) for name, options in chosen.items()]


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
    """Every chain of conversions that ends in one of the goals and meets no format twice."""
    if goals is None or source in goals:
        yield ()
    if goals is None:
        return
    for item in all_passes():
        if item.gives is None or source not in item.takes or item.gives in (*been, source):
            continue
        step = Step(item.name, source, item.gives, inserted=True)
        for onward in _conversions(item.gives, goals, (*been, source)):
            yield (step, *onward)


def _unreachable(
    loaded: LoadedRecipe, source: str, names: Sequence[str], goal: str | None
) -> OptkitError:
    reach = reachable({source})
    hint = f"from {source} optkit reaches: {', '.join(sorted(reach))}"
    for index, name in enumerate(names if loaded.recipe.passes else ()):
        if reach.isdisjoint(find_pass(name).takes):
            takes = " or ".join(find_pass(name).takes)
            return loaded.error(
                ("passes", index),
                f"'{name}' takes {takes}, which cannot be made from {source}",
                hint,
            )
    return loaded.error(("to",), f"no route leads from {source} to {goal or 'there'}", hint)
