"""The recipe that does what was picked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from optkit.core.writing import write_text
from optkit.recipe.dump import dump
from optkit.recipe.gates import GATES, Bound, Gate
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import PassSpec
from optkit.recipe.relocate import relocated
from optkit.recipe.save import check_place
from optkit.recipe.schema import FILE
from optkit.recipe.tuning import Tune
from optkit.tune.space import Candidate


def reproducing(
    loaded: LoadedRecipe, pick: Candidate, scenario: str, bounds: Mapping[str, Bound]
) -> LoadedRecipe:
    """The recipe with the pick's passes and settings written out, and what it must hold as gates.

    Args:
        loaded: the recipe that was tuned.
        pick: the model and how it is run.
        scenario: it was measured in.
        bounds: the constraints; those on the model itself become gates.
    """
    recipe, settings = loaded.recipe, pick.settings
    assert pick.variant.artifact is not None
    benchmark = recipe.benchmark.model_copy(
        update={
            "enabled": True,
            "devices": (settings.device,),
            "scenarios": (scenario,),
            "hint": settings.hint,
            "api": settings.api,
            "streams": settings.streams,
            "threads": settings.threads,
            "nireq": settings.nireq,
            "batch": settings.batch,
            "infer_precision": settings.infer_precision,
            "pin": settings.pin,
            "mode": settings.mode,
        }
    )
    steps = pick.variant.steps
    gates = {
        name: known.model_copy(update=bound.model_dump())
        if (known := recipe.gates.get(name))
        else Gate(**bound.model_dump())
        for name, bound in bounds.items()
        if name in GATES
    }
    made = recipe.model_copy(
        update={
            "to": (pick.variant.artifact.format,),
            "precision": None,
            "passes": tuple(PassSpec(name=step.name, options=dict(step.options)) for step in steps),
            "benchmark": benchmark,
            "gates": {**recipe.gates, **gates},
            "tune": Tune(),
        }
    )
    return replace(loaded, recipe=made)


def write_recipe(found: LoadedRecipe, path: Path, why: str) -> None:
    """Write the recipe, its paths as seen from the file's folder, with what speaks for it.

    Raises:
        OptkitError: the file cannot be written (bad input).
    """
    check_place(found, path)
    header = f"yaml-language-server: $schema={FILE.as_uri()}\nFound by optkit tune: {why}"
    text = dump(relocated(found, path.parent), header=header)
    write_text(path, text)
