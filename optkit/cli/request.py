"""What flags ask for, as a recipe: every command goes the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.errors import bad_input

if TYPE_CHECKING:
    from optkit.recipe.load import LoadedRecipe


def recipe_from_flags(
    model: Path,
    *,
    to: str | None = None,
    precision: str | None = None,
    inputs: Sequence[str] | None = None,
    data: str | None = None,
    labels: str | None = None,
    metric: str | None = None,
    gates: Sequence[str] | None = None,
    factory: str | None = None,
    benchmark: bool = True,
    seed: int = 0,
    calibrates: bool = True,
) -> LoadedRecipe:
    """The recipe that flags stand for, its paths relative to the current folder.

    Data serves calibration, a part of it held back for validation; unless the command does not
    calibrate: then all of it is validated on.

    Raises:
        OptkitError: bad input: a flag that no recipe could hold.
    """
    from optkit.catalogue import find_format
    from optkit.core.signature import parse_input, spec_to_json
    from optkit.recipe.gates import parse_gate
    from optkit.recipe.load import from_flags

    for flag, text, example in (("--to", to, "ir"), ("--data", data, "samples.npz")):
        if text is not None and not text.strip(" ,"):
            raise bad_input(f"{flag} is empty", f"give it a value: {flag} {example}")
    goals = [word.strip() for word in (to or "").split(",") if word.strip()]
    for goal in goals:
        find_format(goal)
    if data is None and (labels or metric):
        raise bad_input("labels and metrics need data", "add --data PATH")
    dataset = {"path": data, "labels": labels, "metric": metric}
    specs = [spec_to_json(parse_input(text)) for text in inputs or ()]
    content: dict[str, Any] = {
        "optkit": 1,
        "model": {
            "path": str(model),
            "factory": factory,
            "inputs": [_given(spec) for spec in specs],
        },
        "data": {"calibration" if calibrates else "validation": dataset}
        if data is not None
        else {},
        "to": goals,
        "precision": precision,
        "benchmark": benchmark,
        "gates": {name: bound.model_dump() for name, bound in map(parse_gate, gates or ())},
        "seed": seed,
    }
    given = {
        ("to",): to and f"--to {to}",
        ("precision",): precision and f"--precision {precision}",
        ("model", "factory"): factory and f"--factory {factory}",
        ("model", "inputs"): "--input",
        ("data",): f"--data {data}",
        ("seed",): f"--seed {seed}",
    }
    return from_flags(content, {path: text for path, text in given.items() if text})


def output_folder(loaded: LoadedRecipe, wish: Path | None) -> Path:
    """The folder to write: as wished, or `./NAME-optkit` after the model."""
    return wish or Path(f"{Path(loaded.recipe.model.path).stem}-optkit")


def _given(spec: dict[str, Any]) -> dict[str, Any]:
    """A declaration without what was left out of it."""
    return {key: value for key, value in spec.items() if value not in (None, "")}
