"""What a first recipe for a model would say, found by looking into it and running it once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input
from optkit.core.signature import TensorSpec, declare, parse_input
from optkit.core.store import Store
from optkit.engine.proof import summarise
from optkit.engine.source import prove, read_model
from optkit.recipe.starter import Facts

# Networks beyond this many values are slow because of the weights that each inference reads.
_MEMORY_BOUND = 500_000_000
# Below this, the description of a graph weighs as much as its weights.
_SIZE_TELLS = 100_000


def facts_of(
    model: Path,
    recipe: Path,
    store: Store,
    *,
    inputs: Sequence[TensorSpec] = (),
    factory: str | None = None,
    trusted: bool = False,
) -> Facts:
    """Look into a model for the recipe that will lie at a path.

    Args:
        model: the model's main file.
        recipe: where the recipe will lie; the model must be below its folder.
        store: remembers what was found.
        inputs: what the user declares.
        factory: builds the network for weights without a graph.
        trusted: whether the model's own code may run.

    Raises:
        OptkitError: bad input: no such model, one that does not run as declared or as the file
            implies, or one that lies outside the recipe's folder.
    """
    artifact = read_model(
        model, store, inputs=inputs, factory=factory, trusted=trusted, root=recipe.parent
    )
    told = not inputs and all(spec.known for spec in artifact.signature.inputs)
    artifact = prove(_guessed(artifact), store, seed=0).artifact
    summary = summarise(artifact, store)
    precision, why = _suits(summary["precision"], summary["parameters"])
    convolves = any("conv" in name.lower() for name in summary["operations"])
    attends = any(
        word in name.lower() for name in summary["operations"] for word in ("softmax", "attention")
    )
    tells = precision == "int8" and convolves and not attends
    specs = artifact.signature.inputs
    return Facts(
        path=_seen(model, recipe),
        about=f"{artifact.format}, {summary['parameters']:,} parameters",
        inputs=specs,
        told=told,
        factory=factory,
        precision=precision,
        why=why,
        size_ratio=0.35 if tells and summary["parameters"] >= _SIZE_TELLS else None,
        whole_numbers=any((spec.dtype or "").startswith(("int", "uint")) for spec in specs),
    )


def _suits(found: Mapping[str, int], parameters: int) -> tuple[str | None, str]:
    """The precision to lower a network to, and a word on it."""
    if not found:
        return None, "it has no weights to lower"
    if not found.keys() <= {"fp32"}:
        return None, f"it is in {', '.join(sorted(found))} already"
    if parameters >= _MEMORY_BOUND:
        return "w8a16", "weights alone: so large a network waits for them; or int8, w4a16, fp16"
    return "int8", "or fp32, fp16, w8a16 and w4a16 (weights alone)"


def _guessed(artifact: Artifact) -> Artifact:
    """The artifact with the inputs that the file implies, where it does not tell them."""
    inputs = artifact.signature.inputs
    if all(spec.shape is not None for spec in inputs):
        return artifact
    lines = find_format(artifact.format).implied(artifact)
    guesses = []
    for spec in inputs:
        if spec.shape is None and spec.name in lines:
            try:
                guesses.append(parse_input(lines[spec.name]))
            except OptkitError:  # only its rank is implied
                return artifact
    signature = declare(artifact.signature, tuple(guesses))
    return replace(artifact, signature=signature)


def _seen(model: Path, recipe: Path) -> str:
    """The model's path from the recipe."""
    folder, place = recipe.parent.resolve(), model.resolve()
    if not place.is_relative_to(folder):
        beside = os.path.relpath(place.parent / recipe.name)
        raise bad_input(
            f"{model} lies outside the recipe's folder, {folder}",
            f"write the recipe beside it: -o {beside}",
        )
    return place.relative_to(folder).as_posix()
