"""optkit from Python: the same four things that the commands do, in as many functions.

import optkit

result = optkit.convert("model.pt", "ir", precision="int8", data="samples.npz")
result.manifest["gates"]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from optkit.catalogue import find_format
from optkit.core.errors import bad_input
from optkit.core.events import Listener, silent
from optkit.core.signature import parse_input, spec_to_json
from optkit.engine import preview as engine_preview
from optkit.engine import run as engine_run
from optkit.engine.run import Result
from optkit.engine.workplace import DEFAULT, Wishes
from optkit.recipe.gates import parse_gate
from optkit.recipe.load import LoadedRecipe, from_flags, load_recipe
from optkit.report.html import documents

__all__ = ["convert", "load_recipe", "plan", "request", "run"]


def convert(
    model: Path | str,
    to: str | Iterable[str],
    *,
    output: Path | str | None = None,
    wishes: Wishes = DEFAULT,
    listen: Listener = silent,
    **flags: Any,
) -> Result:
    """Convert a model, then check and time what came out.

    Args:
        model: the model file.
        to: the format to make, or several.
        output: the folder to write; `./NAME-optkit` if None.
        wishes: trust, force, cache.
        listen: told of progress.
        flags: as `request` takes them.

    Raises:
        OptkitError: bad input, or a step failed; then no output is written.
    """
    goals = to if isinstance(to, str) else ",".join(to)
    return run(request(Path(model), to=goals, **flags), output=output, wishes=wishes, listen=listen)


def run(
    recipe: LoadedRecipe | Path | str,
    *,
    output: Path | str | None = None,
    wishes: Wishes = DEFAULT,
    listen: Listener = silent,
) -> Result:
    """Run a recipe, then check and time what came out.

    Raises:
        OptkitError: bad input, or a step failed; then no output is written.
    """
    loaded = _loaded(recipe)
    folder = output_folder(loaded) if output is None else Path(output)
    return engine_run.run(loaded, folder, wishes, listen, documents)


def plan(recipe: LoadedRecipe | Path | str, *, wishes: Wishes = DEFAULT) -> dict[str, Any]:
    """What a run of the recipe would do: targets, their routes, steps held by the store.

    Raises:
        OptkitError: bad input.
    """
    return engine_preview.preview(_loaded(recipe), wishes)


def output_folder(loaded: LoadedRecipe) -> Path:
    """Where a run writes unless told otherwise: `./NAME-optkit`, after the model."""
    return Path(f"{Path(loaded.recipe.model.path).stem}-optkit")


def _loaded(recipe: LoadedRecipe | Path | str) -> LoadedRecipe:
    return recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe)


def request(
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


def _given(spec: dict[str, Any]) -> dict[str, Any]:
    """A declaration without what was left out of it."""
    return {key: value for key, value in spec.items() if value not in (None, "")}
