"""Hold one model against another, without making anything: `optkit validate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optkit.core.artifact import Artifact
from optkit.core.errors import bad_input
from optkit.core.events import Listener
from optkit.engine.gates import judge as gates
from optkit.engine.gates.measured import measured
from optkit.engine.proof import summarise, validate
from optkit.engine.source import prove, read_model
from optkit.engine.stage import Workshop
from optkit.engine.workplace import Wishes, open_workshop, workplace
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
        model = read_peer(path, shop, wishes)
        compared = validate(shop, model, data, again=wishes.remeasure)
        achieved = summarise(model, store)["precision"]
        ratio, name = model.bytes / shop.source.artifact.bytes, compared["artifact"]
        row = {"path": name, "bytes": model.bytes, "size_ratio": ratio}
        manifest = {"artifacts": [row], "validation": [compared], "benchmark": []}
        figures = measured(loaded.recipe.gates, manifest, name)
        judged = [
            gates.outputs_gate(compared["outputs"]),
            *gates.judge(loaded.recipe.gates, figures, lowest(achieved)),
        ]
    status = "ok" if all(gate["held"] for gate in judged) else "gated"
    return {"status": status, "validation": [compared], "gates": judged}


def read_peer(path: Path, shop: Workshop, wishes: Wishes) -> Artifact:
    """Another model that takes the source's inputs, proven to run on them.

    Raises:
        OptkitError: it takes others, or does not run (bad input).
    """
    specs = shop.source.artifact.signature.inputs
    told = read_model(path, shop.store, trusted=wishes.trusted)
    names = [spec.name for spec in told.signature.inputs]
    wanted = [spec.name for spec in specs]
    if names != wanted:
        raise bad_input(
            f"{path} takes ({', '.join(names)}), the reference ({', '.join(wanted)})",
            "compare models that take the same inputs",
        )
    peer = read_model(path, shop.store, inputs=specs, trusted=wishes.trusted)
    return prove(peer, shop.store, shop.seed).artifact


def lowest(achieved: Mapping[str, int]) -> str:
    """The precision with the widest default bound among those found in a model."""
    found = [precision for precision in achieved if precision in BOUNDS]
    return min(found, key=lambda precision: BOUNDS[precision], default="fp32")
