"""What a run is held against: its baseline, read and checked before anything is worked out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.store import Store
from optkit.engine.baseline.document import Baseline, figures_of, read_baseline
from optkit.engine.baseline.identity import elsewhere, require_same_model
from optkit.engine.baseline.models import fed_as, kept_model, named_model
from optkit.engine.gates.figures import TIMED
from optkit.engine.gates.past import Past
from optkit.recipe.gates import Gate
from optkit.recipe.load import LoadedRecipe

_UPDATE = "optkit baseline update"


@dataclass(frozen=True)
class Rival:
    """The baseline's model, to be timed beside the new one.

    Attributes:
        past: what is known of it.
        model: the model itself, where it is at hand and another one.
    """

    past: Past
    model: Artifact | None = None


def open_baseline(loaded: LoadedRecipe, path: Path | None) -> Baseline | None:
    """The baseline that a run is held against, if there is any.

    Args:
        loaded: its recipe, whose `baseline` counts where the command names none.
        path: as the command names it.

    Raises:
        OptkitError: it cannot be read; or a gate is relative to a baseline, and none is named, or
            it does not know the figure (bad input).
    """
    own = loaded.recipe.baseline
    place = path or (loaded.resolve(own) if own else None)
    wanted = [name for name, gate in loaded.recipe.gates.items() if _leans(name, gate)]
    if place is None:
        if not wanted:
            return None
        raise loaded.error(
            ("gates", wanted[0]),
            f"the gate '{wanted[0]}' is relative to a baseline, and none is named",
            f"{_UPDATE} {loaded.path} -o baseline.json, then --baseline baseline.json, or "
            "baseline: baseline.json in the recipe",
        )
    baseline = read_baseline(place)
    for name in wanted:
        if name not in TIMED and not _knows(baseline, name):
            raise loaded.error(
                ("gates", name),
                f"the baseline {place} knows no {name}",
                f"{_UPDATE} {loaded.path} -o {place}",
            )
    return baseline


def require_fitting(baseline: Baseline, source: Artifact, formats: Collection[str]) -> None:
    """Refuse a baseline of another model, or of other formats.

    Raises:
        OptkitError: it does not fit (bad input).
    """
    require_same_model(baseline, source)
    for word in formats:
        if baseline.artifact(word) is None:
            known = ", ".join(baseline.content["artifacts"])
            raise bad_input(
                f"the baseline {baseline.path} knows no {word} artifact, it is of {known}",
                f"{_UPDATE} RECIPE -o {baseline.path}",
            )


def rival(baseline: Baseline, result: Artifact, store: Store, named: Path | None) -> Rival:
    """What a result is held against.

    Args:
        baseline: known to fit.
        result: the new model.
        store: where the baseline's model may still lie.
        named: the file that the user says is the baseline's model.

    Raises:
        OptkitError: the named file is not that model (bad input).
    """
    known = baseline.artifact(result.format)
    assert known is not None
    same, model, why = known["sha256"] == result.digest, None, ""
    if same:
        why = "the model is the same"
    else:
        model = named_model(named, baseline, store) if named else kept_model(known["sha256"], store)
        if model is None:
            why = "the baseline's model is not in the store: name it with --baseline-model"
        else:
            model = fed_as(model, result)
            why = "" if model else "the baseline's model takes other inputs"
    past = Past(
        figures_of(known), known["network"], known["settings"], elsewhere(baseline), same, why
    )
    return Rival(past, model)


def network_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a network computes, whatever its weights: parameters, FLOPs, number of operations."""
    return {
        "parameters": summary["parameters"],
        "flops": summary["flops"],
        "operations": sum(summary["operations"].values()),
    }


def _leans(name: str, gate: Gate) -> bool:
    return gate.relative or name == "speedup_vs_baseline"


def _knows(baseline: Baseline, name: str) -> bool:
    return any(name in one["figures"] for one in baseline.content["artifacts"].values())
