"""Shared by the performance claims: child processes and what they cost, models side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import models

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Edit, Outcome
from optkit.core.settings import Settings

EXAMPLE = Path(__file__).parents[1] / "examples" / "01_digits"


def child_cpu(arguments: list[str], env: dict[str, str] | None = None) -> float:
    """CPU seconds of a child process, user and system together."""
    before = os.times()
    subprocess.run(arguments, check=True, capture_output=True, env={**os.environ, **(env or {})})
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def python(code: str, *arguments: str, env: dict[str, str] | None = None) -> Any:
    """Run code in a fresh interpreter; what it prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def passed(artifact: Artifact, name: str, folder: Path, **options: Any) -> tuple[Artifact, Outcome]:
    """What a pass of ONNX makes of a model; the model itself where nothing changed."""
    from optkit.catalogue import find_pass
    from optkit.engine.edit import edit_graph

    item, output = find_pass(name), folder / name
    output.mkdir(parents=True)
    context = context_of(artifact, output, lambda given, how: edit_graph(given, how, output))
    outcome = item.run(artifact, item.options.model_validate(options), context)
    if outcome.path is None:
        return artifact, outcome
    return models.artifact(item.gives or artifact.format, outcome.path), outcome


def context_of(
    artifact: Artifact, output: Path, edit: Callable[[Artifact, Callable[[Any], Edit]], Outcome]
) -> Context:
    """What a pass needs that reads no data."""
    from optkit.data.synthesise import synthesise
    from optkit.formats import onnx

    inputs, bounds = artifact.signature.inputs, onnx.index_bounds(artifact)
    return Context(
        source=artifact, output=output, scratch=output, seed=0,
        samples=lambda: synthesise(inputs, 1, 0, bounds),
        example=lambda variant: synthesise(inputs, 1, variant, bounds).read(0),
        progress=lambda done, total: None,
        edit=edit,
    )  # fmt: skip


RUNTIMES = ("onnxruntime, its own optimizations off", "onnxruntime", "openvino")

Ratio = tuple[float, float, float]
"""How many times faster, and the interval's two ends."""


def speedups(
    before: Artifact, after: Mapping[str, Artifact], folder: Path, seconds: float
) -> dict[str, dict[str, Ratio]]:
    """How many times faster an ONNX model became; all in one process, on one thread.

    Args:
        before: the model.
        after: what was made of it, by any word.
        folder: an empty one.
        seconds: spent on each model in each of `RUNTIMES`.

    Returns:
        By word of `after`, then by entry of `RUNTIMES`.
    """
    from optkit.benchmark.run import compare, measure
    from optkit.benchmark.spec import Contender, Plan, write_inputs
    from optkit.data.synthesise import synthesise
    from optkit.formats import onnx

    folder.mkdir(parents=True)
    bounds = onnx.index_bounds(before)
    arrays = synthesise(before.signature.inputs, 1, 0, bounds).read(0)
    inputs = write_inputs(folder / "inputs.npz", arrays)
    contenders: dict[tuple[str, str], Contender] = {}
    for label in RUNTIMES:
        runtime = label.split(",")[0]
        settings = Settings(threads=1, graph_optimizations=label == runtime)
        for word, given in {"before": before, **after}.items():
            ir = runtime == "openvino"
            model = passed(given, "emit_ir", folder / word)[0] if ir else given
            name = f"{word} ({label})"
            contenders[word, label] = Contender(name, model, runtime, settings, inputs)
    measured = measure(Plan(tuple(contenders.values()), seconds=seconds))
    rows = dict(zip(contenders, measured, strict=True))
    found: dict[str, dict[str, Ratio]] = {word: {} for word in after}
    for word in after:
        for label in RUNTIMES:
            ratio = compare(rows[word, label], rows["before", label])
            found[word][label] = (ratio["value"], *ratio["ci95"])
    return found
