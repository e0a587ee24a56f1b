"""One pass on one model as the engine would run it, with samples and a source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import models
import numpy as np
import torch

from optkit.catalogue import find_format, find_pass, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome
from optkit.core.hashing import files_digest
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Signature, TensorSpec
from optkit.data.synthesise import synthesise


def image_face(shape: tuple[int, ...], classes: int = 10) -> Signature:
    """One image in, logits out."""
    return Signature(
        (TensorSpec("image", shape, "float32"),),
        (TensorSpec("output", (shape[0], classes), "float32"),),
    )


def images(array: np.ndarray, labels: np.ndarray | None = None) -> Samples:
    """Samples of one image each, shape (N, C, H, W)."""
    return Samples(
        len(array), lambda at: {"image": np.ascontiguousarray(array[at : at + 1])},
        None if labels is None else lambda at: labels[at : at + 1],
        "given", f"images-{array.shape}-{labels is None}", "a test",
    )  # fmt: skip


def written(network: torch.nn.Module, word: str, face: Signature, folder: Path) -> Artifact:
    """A torch network as a file: torchscript, exported or onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(face.inputs[0].shape)
    path = folder / find_format(word).FILE
    if word == "torchscript":
        torch.jit.trace(network, example, check_trace=False).save(str(path))
    elif word == "exported":
        torch.export.save(torch.export.export(network, (example,)), path)
    elif word == "onnx":
        torch.onnx.export(network, (example,), path, dynamo=True, verbose=False,
                          external_data=False, input_names=["image"],
                          output_names=["output"])  # fmt: skip
    return made(word, path, face)


def made(word: str, path: Path, face: Signature) -> Artifact:
    """An artifact of a file."""
    files = find_format(word).files(path)
    return Artifact(
        word, path, files, face, files_digest(files, path.parent),
        sum(file.stat().st_size for file in files),
    )  # fmt: skip


def step(
    given: Artifact, name: str, folder: Path, *, samples: Samples | None = None,
    source: Artifact | None = None, checkpoint: Path | None = None, remember: Any = None,
    progress: Any = lambda done, total, text="": None, **options: Any,
) -> tuple[Artifact, Outcome]:  # fmt: skip
    """What a pass makes of a model; the model itself where nothing changed."""
    item = find_pass(name)
    place = folder / f"{name}-{given.format}"
    while place.exists():
        place = place.with_name(place.name + "-again")
    output, scratch = place / "output", place / "scratch"
    output.mkdir(parents=True)
    scratch.mkdir()
    inputs = given.signature.inputs
    found = samples or synthesise(inputs, 8, 0, {})
    more = {} if remember is None else {"remember": remember}
    outcome = item.run(
        given,
        item.options.model_validate(options),
        Context(
            source=source or given, output=output, scratch=scratch, samples=lambda: found,
            example=lambda variant: synthesise(inputs, variant + 1, 0, {}, variant=variant).read(
                variant
            ),
            seed=0, progress=progress, edit=lambda *_: models, checkpoint=checkpoint, **more,
        ),
    )  # fmt: skip
    if outcome.path is None:
        return given, outcome
    return made(item.gives or given.format, outcome.path, given.signature), outcome


def outputs(model: Artifact, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """A model's first output, in its own runtime and float32."""
    found = runtime_of(model.format)
    assert found is not None
    session = found[1].open_session(model, Settings(infer_precision="f32"))
    return next(iter(session.infer(arrays).values()))


def answers(model: Artifact, array: np.ndarray) -> torch.Tensor:
    """A model's first output for images one by one, (N, classes)."""
    found = runtime_of(model.format)
    assert found is not None
    infer = found[1].open_session(model, Settings(infer_precision="f32", threads=1)).infer
    rows = [next(iter(infer({"image": array[at : at + 1]}).values())) for at in range(len(array))]
    return torch.from_numpy(np.concatenate(rows))
