"""The models that optkit can make of a source and run here, each built and checked once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optkit.catalogue import all_passes, reachable, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input
from optkit.engine.stage import StepResult, Workshop
from optkit.engine.steps import reach
from optkit.planner import make_plan
from optkit.recipe.checks.order import precision_of
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import Recipe
from optkit.recipe.places import Place, Positions

PRECISIONS = ("fp32", "int8")
"""What is tried unless the recipe names variants."""


@dataclass(frozen=True)
class Variant:
    """One model to be tried.

    Attributes:
        word: as a recipe names it.
        precision: that was asked for.
        artifact: the model; None where it could not be made.
        runtime: what runs it.
        steps: how it was made.
        reason: why there is no model.
    """

    word: str
    precision: str
    artifact: Artifact | None = None
    runtime: str = ""
    steps: tuple[StepResult, ...] = ()
    reason: str | None = None


def build_variants(
    loaded: LoadedRecipe, shop: Workshop, named: Sequence[str] | None
) -> list[Variant]:
    """Make every variant; one that is the same model as an earlier one is left without.

    Args:
        loaded: the recipe that they derive from.
        shop: the source, the store and the listener.
        named: their words; None: all that can be made and run here.

    Raises:
        OptkitError: the recipe's own passes do not work, or are asked for and not there.
    """
    words = tuple(dict.fromkeys(named or _all(loaded.recipe, shop.source.artifact.format)))
    built: list[Variant] = []
    for word in words:
        built += _built(word, loaded, shop)
    first: dict[tuple[str, str], str] = {}
    for one in built:
        if one.artifact is not None:
            first.setdefault((one.artifact.format, one.artifact.digest), one.word)
    return [_once(one, first) for one in built]


def _once(one: Variant, first: Mapping[tuple[str, str], str]) -> Variant:
    """The variant, without a model where that is an earlier one's."""
    if one.artifact is None:
        return one
    earlier = first[one.artifact.format, one.artifact.digest]
    if earlier == one.word:
        return one
    return replace(one, artifact=None, reason=f"the same model as {earlier}")


def _all(recipe: Recipe, source: str) -> Iterator[str]:
    """Every variant by word: what is there first, then what the recipe makes, then the rest."""
    yield "source"
    if recipe.passes:
        yield "recipe"
    made = {
        (name, item.precision) for item in all_passes() if item.precision for name in item.takes
    }
    asked = {recipe.precision} - {None} if not recipe.passes else set()
    for name in sorted(reachable({source}), key=lambda name: (name != source, name)):
        if runtime_of(name) is None:
            continue
        for precision in dict.fromkeys((*PRECISIONS, *sorted(filter(None, asked)))):
            if precision == "fp32" or (name, precision) in made:
                yield f"{name}-{precision}"


def _built(word: str, loaded: LoadedRecipe, shop: Workshop) -> Iterator[Variant]:
    """The variant of a word; of the recipe's own passes, one for each of its targets."""
    recipe, source = loaded.recipe, shop.source.artifact
    if word == "source":
        found = runtime_of(source.format)
        precision = "fp32"
        yield Variant(word, precision, source, found[0] if found else "")
        return
    if word == "recipe":
        if recipe.passes is None:
            raise bad_input(
                "the variant 'recipe' is the recipe's own passes, and it has none",
                "name the variant that its 'to' and 'precision' make, such as ir-int8",
            )
        for target in make_plan(loaded, source.format).targets:
            name = word if len(recipe.to) < 2 else f"{word}-{target.format}"
            yield _reached(name, precision_of(recipe), loaded, shop, target.format)
        return
    name, _, precision = word.rpartition("-")
    update: Mapping[str, Any] = {"passes": None, "precision": precision, "to": (name,)}
    nowhere = Positions(values={(): Place(0, 0, word)})  # nobody wrote what is derived
    derived = replace(loaded, recipe=recipe.model_copy(update=dict(update)), positions=nowhere)
    yield _reached(word, precision, derived, shop, name)


def _reached(word: str, precision: str, loaded: LoadedRecipe, shop: Workshop, goal: str) -> Variant:
    """What the route makes of the source, or why it does not."""
    try:
        targets = make_plan(loaded, shop.source.artifact.format).targets
        (target,) = (one for one in targets if one.format == goal)
        reached = reach(target, shop)
    except OptkitError as error:
        return Variant(word, precision, reason=error.message.removeprefix(f"{word}: "))
    found = runtime_of(reached.artifact.format)
    if found is None:
        return Variant(word, precision, reason=f"nothing here runs {reached.artifact.format}")
    return Variant(word, precision, reached.artifact, found[0], reached.results)
