"""Hold one model against another, without making anything: `optkit validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optkit.core.errors import bad_input
from optkit.core.events import Listener
from optkit.engine import gates
from optkit.engine.proof import figures, summarise, validate
from optkit.engine.run import Wishes, open_workshop, workplace
from optkit.engine.source import prove, read_model
from optkit.recipe.load import LoadedRecipe
from optkit.validate.bounds import BOUNDS


def check_model(
    loaded: LoadedRecipe, path: Path, wishes: Wishes, listen: Listener
) -> dict[str, Any]:
    """Compare the model at `path` with the recipe's model, on the recipe's data.

    The default bound is that of the lowest precision found in the model.

    Returns:
        {status, validation: [row], gates: [row]}, rows as in the manifest.

    Raises:
        OptkitError: bad input.
    """
    with workplace(wishes) as store:
        shop, data = open_workshop(loaded, store, wishes, listen)
        specs = shop.source.artifact.signature.inputs
        told = read_model(path, store, trusted=wishes.trusted)
        names = [spec.name for spec in told.signature.inputs]
        wanted = [spec.name for spec in specs]
        if names != wanted:
            raise bad_input(
                f"{path} takes ({', '.join(names)}), the reference ({', '.join(wanted)})",
                "compare models that take the same inputs",
            )
        model = prove(
            read_model(path, store, inputs=specs, trusted=wishes.trusted), store, shop.seed
        ).artifact
        compared = validate(shop, model, data, again=wishes.remeasure)
        achieved = summarise(model, store)["precision"]
        row = {"bytes": model.bytes, "size_ratio": model.bytes / shop.source.artifact.bytes}
        measured = figures(row, compared, [])
        judged = [
            gates.outputs_gate(compared["outputs"]),
            *gates.judge(loaded.recipe.gates, measured, _lowest(achieved)),
        ]
    status = "ok" if all(gate["held"] for gate in judged) else "gated"
    return {"status": status, "validation": [compared], "gates": judged}


def _lowest(achieved: dict[str, int]) -> str:
    found = [precision for precision in achieved if precision in BOUNDS]
    return min(found, key=lambda precision: BOUNDS[precision], default="fp32")
