"""Whole runs that prune: from every kind of source, and killed on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_nets import Plain, digits, trained
from running import content, finished, optkit

FILES = {"module": "weights.pt", "exported": "model.pt2", "torchscript": "traced.pt",
         "onnx": "model.onnx"}  # fmt: skip
READY = Path(__file__).parents[2] / "recipes" / "prune-int8.yaml"
FACTORY = "from pruned_nets import Plain\n\n\ndef make():\n    return Plain((32, 32, 32))\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network as weights, exported program, TorchScript and ONNX, with its data."""
    folder = tmp_path_factory.mktemp("sources")
    network = trained(Plain, epochs=5, channels=(32, 32, 32))
    image = torch.zeros(1, 1, 8, 8)
    (folder / "factory.py").write_text(FACTORY)
    torch.save(network.state_dict(), folder / FILES["module"])
    torch.export.save(torch.export.export(network, (image,)), folder / FILES["exported"])
    torch.jit.trace(network, image).save(str(folder / FILES["torchscript"]))
    torch.onnx.export(
        network, (image,), folder / FILES["onnx"], dynamo=True, verbose=False,
        external_data=False, input_names=["image"], output_names=["output"],
    )  # fmt: skip
    train, judged, _, truth = (part.numpy() for part in digits())
    np.savez(folder / "calibration.npz", image=train[:320])
    np.savez(folder / "validation.npz", image=judged[:200], label=truth[:200])
    return folder


def start(place: Path, word: str, out: Path, store: Path, *more: str):
    """The ready recipe on one of the sources, shortened, in a process of its own."""
    model = {"path": str(place / FILES[word]), "inputs": [{"name": "image", "shape": [1, 1, 8, 8]}]}
    if word == "module":
        model["factory"] = "factory:make"
    recipe = place / f"{out.name}.yaml"
    recipe.write_text(READY.read_text())
    tests = str(Path(__file__).parents[1])
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return optkit(
        "run", recipe, "-o", out, "--trust-code", "--set", f"model={json.dumps(model)}",
        "--set", "benchmark=false", "--set", "gates={cosine: {min: 0.9}}", *more,
        env={**os.environ, "PYTHONPATH": paths, "OPTKIT_CACHE_DIR": str(store)},
    )  # fmt: skip


def step(out: Path, name: str) -> dict:
    steps = json.loads((out / "optkit.json").read_text())["steps"]
    return next(step for step in steps if step["pass"] == name)


SHORT = (
    "passes=[{prune: {flops: 0.5}}, {recover: {epochs: 90}}, fuse_batchnorm, "
    "{quantize_int8: {subset_size: 32, effort: fast}}]"
)


@pytest.mark.slow
def test_every_source_gives_the_same_pruned_shapes_and_a_good_int8_model(place, tmp_path):
    """Given one network in four forms; Result: the same layers, recovered, in INT8."""
    layers = {}
    for word in FILES:
        out = tmp_path / word
        assert finished(start(place, word, out, tmp_path / "store", "--set", SHORT)) == 0
        manifest = json.loads((out / "optkit.json").read_text())
        assert manifest["status"] == "ok"
        assert manifest["artifacts"][0]["precision"]["achieved"]["int8"] == 4
        assert manifest["validation"][0]["metric"]["drop"] <= 0.03
        pruned = step(out, "prune")
        assert pruned["changed"]
        assert step(out, "recover")["changed"]
        rows = pruned["details"]["layers"].values()
        layers[word] = [(row["before"], row["after"]) for row in rows]
        macs = pruned["details"]["multiply_adds"]
        assert macs["after"] <= 0.5 * macs["before"]
    assert layers["module"] == layers["exported"] == layers["torchscript"] == layers["onnx"]
    assert len(layers["module"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("word", FILES)
def test_the_ready_recipe_runs_on_every_source(place, word, tmp_path):
    """Given one network in four forms and the recipe as shipped; Result: gates held, INT8 IR."""
    out = tmp_path / word
    assert finished(start(place, word, out, tmp_path / "store")) == 0
    assert json.loads((out / "optkit.json").read_text())["status"] == "ok"
    assert step(out, "prune")["changed"]
    assert step(out, "recover")["details"]["samples"] == 320


def test_killed_while_it_recovers_it_goes_on_from_there(place, tmp_path):
    """Given SIGKILL once a checkpoint is there; Result: the bytes of a run that was not killed."""
    passes = ("--set", "passes=[{prune: {flops: 0.5}}, {recover: {epochs: 60, patience: 60}}]",
              "--set", "to=torchscript", "--set", "gates={}")  # fmt: skip
    run = start(place, "torchscript", tmp_path / "killed", tmp_path / "store", *passes)
    while not (found := list((tmp_path / "store").rglob("checkpoint.pt"))):
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    steps = torch.load(found[0], weights_only=True)["state"]["steps"]
    assert 0 < steps < 240
    outs = [tmp_path / "killed", tmp_path / "whole"]
    for out, store in zip(outs, ("store", "other"), strict=True):
        assert finished(start(place, "torchscript", out, tmp_path / store, *passes)) == 0
    assert content(outs[0]) == content(outs[1])
    assert step(outs[0], "prune")["cached"]
    assert list((tmp_path / "store").rglob("checkpoint.pt")) == []
