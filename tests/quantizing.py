"""Shared by the tests of quantization: one network, its samples, and what a pass makes of both."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import digits_nets
import models
import numpy as np
import torch

from optkit.catalogue import find_pass, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.engine.edit import edit_graph

IMAGE = Signature((TensorSpec("image", (Dim(), 1, 8, 8), "float32"),))


def samples_of(*arrays: dict[str, np.ndarray], labels: np.ndarray | None = None) -> Samples:
    """Whole inputs as samples that a user gave."""
    told = None if labels is None else (lambda index: labels[index : index + 1])
    return Samples(len(arrays), lambda index: arrays[index], told, "given", "test", "test")


def digits_samples(count: int = 64) -> Samples:
    """Images of the training set, with labels."""
    data = digits_nets.digits()
    images = ({"image": data.train[at : at + 1]} for at in range(count))
    return samples_of(*images, labels=data.train_label)


def source(name: str, folder: Path, seed: int = 0) -> Artifact:
    """A network of the suite as TorchScript."""
    path = folder / f"{name}-{seed}.pt"
    network = digits_nets.trained(name, seed)
    torch.jit.trace(network, torch.randn(2, 1, 8, 8)).save(str(path))
    face = Signature(IMAGE.inputs, (TensorSpec("logits", (Dim(), 10), "float32"),))
    return models.artifact("torchscript", path, signature=face)


def applied(
    name: str,
    given: Artifact,
    folder: Path,
    samples: Samples | None = None,
    *,
    origin: Artifact | None = None,
    remember: Any = lambda _module, _question, compute: compute(),
    **options: Any,
) -> tuple[Artifact, Outcome]:
    """What a pass makes of a model."""
    item = find_pass(name)
    place = Path(tempfile.mkdtemp(dir=folder, prefix=f"{name}-"))
    output, scratch = place / "output", place / "scratch"
    output.mkdir()
    scratch.mkdir()
    example = {"image": digits_nets.digits().train[:2]}
    context = Context(
        source=origin or given, output=output, scratch=scratch,
        samples=lambda: samples or digits_samples(), example=lambda _: example, seed=0,
        progress=lambda *_: None, edit=lambda one, how: edit_graph(one, how, output),
        remember=remember,
    )  # fmt: skip
    outcome = item.run(given, item.options.model_validate(options), context)
    if outcome.path is None:
        return given, outcome
    return models.artifact(item.gives or given.format, outcome.path), outcome


def outputs(model: Artifact, images: np.ndarray | None = None) -> np.ndarray:
    """The logits for the test images, one image at a time."""
    images = digits_nets.digits().test if images is None else images
    found = runtime_of(model.format)
    assert found is not None
    infer = found[1].open_session(model, Settings()).infer
    rows = [next(iter(infer({"image": images[at : at + 1]}).values())) for at in range(len(images))]
    return np.concatenate(rows)


def sqnr(reference: np.ndarray, value: np.ndarray) -> float:
    """Signal to quantization noise, in dB."""
    noise = np.square(reference.astype("f8") - value).sum()
    return float(10 * np.log10(np.square(reference.astype("f8")).sum() / noise))
