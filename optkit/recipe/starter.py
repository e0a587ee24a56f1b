"""The text of a first recipe for a model, with a word on what can be said and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optkit.core.signature import TensorSpec
from optkit.recipe.versions.current import VERSION

_NOTES_AT = 36
_LOSSES = {"int8": 0.95, "w4a16": 0.95, "w8a16": 0.99, "fp16": 0.999, "fp32": 0.9999}


@dataclass(frozen=True)
class Facts:
    """What was found of the model.

    Attributes:
        path: as seen from the recipe.
        about: its format and size, in words.
        inputs: as they were proven to run.
        told: whether the file tells them.
        factory: builds the network for weights without a graph; None otherwise.
        precision: what suits it; None where nothing is to be lowered.
        why: a word on that.
        size_ratio: what its size can be held to; None where that has to be seen first.
        whole_numbers: whether an input takes indices, such as token ids.
    """

    path: str
    about: str
    inputs: Sequence[TensorSpec]
    told: bool
    factory: str | None
    precision: str | None
    why: str
    size_ratio: float | None
    whole_numbers: bool


def starter(facts: Facts, name: str) -> str:
    """The whole recipe, for a file of that name."""
    schema = (Path(__file__).parent / "schema.json").as_uri()
    parts = [
        [
            f"# yaml-language-server: $schema={schema}",
            f"# What is made of {Path(facts.path).name}, and what that must hold.",
            f"# optkit run {name} does it; what each key means: docs/recipes.md of optkit.",
            f"optkit: {VERSION}",
        ],
        _model(facts),
        _data(facts),
        _work(facts),
        [_noted("benchmark: {seconds: 3}", "single-stream on CPU; false for nothing")],
        _gates(facts),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _noted(text: str, note: str) -> str:
    return f"{text.ljust(_NOTES_AT)} # {note}"


def _model(facts: Facts) -> list[str]:
    lines = [
        "model:",
        _noted(f"  path: {_text(facts.path)}", f"{facts.about}; relative to this file"),
    ]
    if facts.factory:
        lines.append(_noted(f"  factory: {_text(facts.factory)}", "runs with --trust-code alone"))
    shown = ["  inputs:", *(f"    - {_input(spec)}" for spec in facts.inputs)]
    if facts.told:
        note = "  # As the file tells. Write them out to change them; '?' or 1..64 is for any size."
        return [*lines, note, *(f"  # {line[2:]}" for line in shown)]
    note = "  # The file does not tell all of this; it ran so. '?' or 1..64 is for any size."
    return [*lines, note, *shown]


def _input(spec: TensorSpec) -> str:
    dims = (str(dim) for dim in spec.shape or ())
    shape = ", ".join(dim if dim.isdigit() else f'"{dim}"' for dim in dims)
    return f"{{name: {_text(spec.name)}, shape: [{shape}], dtype: {spec.dtype}}}"


def _data(facts: Facts) -> list[str]:
    names = ", ".join(spec.name for spec in facts.inputs)
    kind = "as your tokenizer gives them" if facts.whole_numbers else "as the network gets them"
    return [
        "# Until data is given, inputs are made up, and every figure that rests on them says so.",
        "# data:",
        f"#   # some 300 inputs {kind} in production: an .npz with the array {names},",
        "#   # a folder of .npy files, or of images (resize, mean, std)",
        "#   calibration: {path: calibration.npz}",
        "#   # others than those; with labels, fidelity becomes accuracy",
        "#   validation: {path: validation.npz, labels: label, metric: accuracy}",
    ]


def _work(facts: Facts) -> list[str]:
    to = _noted("to: ir", "or onnx, torchscript; a list makes several: [ir, onnx]")
    if facts.precision is None:
        return [to, f"# precision: int8    # {facts.why}"]
    return [to, _noted(f"precision: {facts.precision}", facts.why)]


def _gates(facts: Facts) -> list[str]:
    least = _LOSSES[facts.precision or "fp32"]
    size = facts.size_ratio
    return [
        "# What is missed fails the run with exit code 3.",
        "gates:",
        _noted(f"  cosine: {{min: {least:g}}}", "to the source's outputs, the least of them"),
        _noted(
            f"  {'' if size else '# '}size_ratio: {{max: {size or 0.6:g}}}",
            "over the bytes in FP32",
        ),
        _noted("  # accuracy_drop: {max: 0.01}", "needs labels"),
        _noted("  # speedup: {min: 1.2}", "over FP32; hangs on the machine, so measure it first"),
    ]


def _text(text: str) -> str:
    """Text as YAML: in quotes wherever it may need them."""
    escaped = text.replace("${", "$${")
    plain = all(
        part.isidentifier() for part in escaped.replace("/", ".").replace("-", "_").split(".")
    )
    words = {"null", "true", "false", "on", "off", "yes", "no", "n", "y"}
    return (
        escaped
        if plain and escaped.lower() not in words
        else json.dumps(escaped, ensure_ascii=False)
    )
