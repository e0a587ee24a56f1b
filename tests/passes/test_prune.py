"""prune: what it takes, from every format, and what it leaves alone or refuses."""

from __future__ import annotations

from pathlib import Path

import models
import numpy as np
import pytest
import torch
from pruned_nets import Attentive, Plain, Residual
from pydantic import ValidationError
from stepping import image_face, images, outputs, step, written
from torch import nn

from optkit.catalogue import find_format, find_pass
from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Signature, TensorSpec

FACE = image_face((1, 1, 8, 8))
FORMATS = ("torchscript", "exported", "onnx")
X = {"image": np.random.default_rng(0).standard_normal((1, 1, 8, 8), "float32")}


def build(kind: type[nn.Module], **options) -> nn.Module:
    torch.manual_seed(0)
    network = kind(**options)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("kind", [Plain, Attentive, pytest.param(Residual, marks=pytest.mark.slow)])
def test_every_format_gives_the_same_shapes(kind, tmp_path: Path):
    """Given one network as TorchScript, .pt2 and ONNX; Result: the same layers, as small."""
    network, found, answered = build(kind), {}, {}
    for word in FORMATS:
        given = written(network, word, FACE, tmp_path / word)
        pruned, outcome = step(given, "prune", tmp_path, flops=0.5, round_to=8)
        assert pruned.format == word
        assert find_format(word).recognise(pruned.path)
        layers = [(row["before"], row["after"]) for row in outcome.details["layers"].values()]
        macs = outcome.details["multiply_adds"]
        assert macs["after"] <= 0.5 * macs["before"]
        found[word] = layers, macs["after"]
        answered[word] = outputs(pruned, X)
        assert answered[word].shape == (1, 10)
        assert pruned.bytes < given.bytes
    assert found["torchscript"] == found["exported"] == found["onnx"]
    for word in FORMATS:
        np.testing.assert_allclose(answered[word], answered["exported"], rtol=1e-3, atol=1e-4)


def test_a_module_comes_by_a_conversion():
    assert "module" not in find_pass("prune").takes
    assert "torchscript" in find_pass("prune").takes


def test_the_graph_holds_smaller_layers(tmp_path: Path):
    """Given Conv 64, 128, 96; Result: Conv 32, 64, 48, a quarter of the work between them."""
    given = written(build(Plain), "torchscript", FACE, tmp_path)
    pruned, outcome = step(given, "prune", tmp_path, ratio=0.5)
    shapes = [tuple(weight.shape) for weight in torch.jit.load(pruned.path).parameters()
              if weight.dim() > 1]  # fmt: skip
    assert sorted(shapes) == sorted([(32, 1, 3, 3), (64, 32, 3, 3), (48, 64, 3, 3), (10, 48)])
    assert outcome.details["ratio"] == 0.5
    assert outcome.details["left"] == {"an output of the network": 10}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path):
    for word in ("torchscript", "onnx"):
        given = written(build(Plain), word, FACE, tmp_path / word)
        one, _ = step(given, "prune", tmp_path, flops=0.4)
        two, _ = step(given, "prune", tmp_path, flops=0.4)
        assert one.digest == two.digest


@pytest.mark.parametrize(
    ("criterion", "scope"),
    [("taylor", "global"), ("batchnorm_scale", "per_layer"), ("magnitude", "global")],
)
def test_every_criterion_and_scope_keeps_the_bound(criterion, scope, tmp_path: Path):
    given = written(build(Plain), "exported", FACE, tmp_path)
    samples = images(np.random.default_rng(1).random((24, 1, 8, 8), "float32"))
    _, outcome = step(given, "prune", tmp_path, samples=samples, criterion=criterion, scope=scope,
                      parameters=0.4, round_to=4)  # fmt: skip
    counts = outcome.details["parameters"]
    assert 0.3 < counts["after"] / counts["before"] <= 0.4
    assert all(row["after"] % 4 == 0 for row in outcome.details["layers"].values())


def test_nothing_to_take_is_said(tmp_path: Path):
    """Given one layer; Result: no change, and why."""

    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(64, 10)

        def forward(self, image):
            return self.last(image.flatten(1))

    for word in FORMATS:
        given = written(Single().eval(), word, FACE, tmp_path / word)
        _, outcome = step(given, "prune", tmp_path)
        assert outcome.path is None
        assert outcome.reason == "no channel can go: an output of the network"


@pytest.mark.parametrize(("kind", "scope"), [(Plain, "global"), (Residual, "per_layer")])
def test_a_ratio_that_would_empty_a_layer_leaves_something(kind, scope, tmp_path: Path):
    """Given 99.9 % to take; Result: a channel in each layer, and a network that runs."""
    given = written(build(kind), "exported", FACE, tmp_path)
    pruned, outcome = step(given, "prune", tmp_path, ratio=0.999, round_to=1, scope=scope)
    assert all(row["after"] >= 1 for row in outcome.details["layers"].values())
    assert min(row["after"] for row in outcome.details["layers"].values()) < 8
    assert np.isfinite(outputs(pruned, X)).all()


def test_rounding_that_leaves_nothing_to_take_is_said(tmp_path: Path):
    given = written(build(Plain, channels=(8, 8, 8)), "exported", FACE, tmp_path)
    _, outcome = step(given, "prune", tmp_path, ratio=0.5, round_to=16)
    assert outcome.path is None
    assert "multiple of 16" in outcome.reason


def test_an_ignored_layer_stays_whole(tmp_path: Path):
    given = written(build(Plain), "exported", FACE, tmp_path)
    _, outcome = step(given, "prune", tmp_path, ratio=0.5, ignored_scope={"names": ["conv2"]})
    assert set(outcome.details["layers"]) == {"conv3"}


def test_a_misspelt_layer_is_refused(tmp_path: Path):
    given = written(build(Plain), "exported", FACE, tmp_path)
    with pytest.raises(OptkitError, match="no layer is called 'conv9'") as caught:
        step(given, "prune", tmp_path, ignored_scope={"names": ["conv9"]})
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "conv1" in caught.value.hint


def test_a_network_that_loops_is_refused(tmp_path: Path):
    path = models.scripted(models.LoopNet, tmp_path / "model.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),), (TensorSpec("output", (2, 4)),))
    given = models.artifact("torchscript", path, signature=face)
    with pytest.raises(OptkitError, match="cannot be captured as a graph"):
        step(given, "prune", tmp_path)


def test_an_unknown_onnx_operation_is_refused_by_name(tmp_path: Path):
    import onnx

    given = written(build(Plain), "onnx", FACE, tmp_path)
    model = onnx.load(given.path)
    model.graph.node[1].op_type = "Celu"
    onnx.save(model, given.path)
    with pytest.raises(OptkitError, match="the graph holds Celu"):
        step(given, "prune", tmp_path)


def test_two_bounds_are_one_too_many():
    options = find_pass("prune").options
    with pytest.raises(ValidationError, match="one bound, not ratio and flops"):
        options.model_validate({"ratio": 0.5, "flops": 0.5})
    for wrong in ({"ratio": 1.0}, {"flops": 0.0}, {"sparsity": "2:4", "flops": 0.5}):
        with pytest.raises(ValidationError):
            options.model_validate(wrong)


@pytest.mark.parametrize(("sparsity", "share"), [("unstructured", 0.6), ("2:4", 0.5)])
def test_sparse_weights_keep_the_shapes_and_say_what_they_save(sparsity, share, tmp_path: Path):
    """Given weights; Result: the smallest zero, the graph as it was, told that no time is saved."""
    options = {"ratio": 0.6} if sparsity == "unstructured" else {}
    given = written(build(Plain), "exported", FACE, tmp_path)
    sparse, outcome = step(given, "prune", tmp_path, sparsity=sparsity, **options)
    assert "no runtime here saves time" in outcome.reason
    weights = [p for p in torch.export.load(sparse.path).parameters() if p.dim() > 1]
    assert [tuple(p.shape) for p in weights][-1] == (10, 96)
    for name, zeros in outcome.details["zeros"].items():
        assert zeros == pytest.approx(share, abs=0.01), name
    if sparsity == "2:4":
        rows = weights[-1].reshape(-1, 4)
        assert ((rows == 0).sum(1) == 2).all()


def test_a_broken_cut_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Given a cut that forgot a weight; Result: refused before anything is written."""
    from optkit.pruning import surgery

    true = surgery.cut

    def careless(structure, gone):
        network = true(structure, gone)
        network.get_submodule("conv2").weight = structure.network.get_submodule("conv2").weight
        return network

    monkeypatch.setattr(surgery, "cut", careless)
    given = written(build(Plain), "exported", FACE, tmp_path)
    with pytest.raises(OptkitError, match=r"does not run.*not passed on"):
        step(given, "prune", tmp_path)


@pytest.mark.slow
def test_latency_is_measured_and_remembered(tmp_path: Path):
    """Given half of the latency as the bound; Result: a ratio, found once and replayed."""
    known = {}

    def remember(module, question, compute):
        key = repr((module, question))
        known[key] = known[key] if key in known else compute()
        return known[key]

    given = written(build(Plain), "torchscript", image_face((1, 1, 32, 32)), tmp_path)
    one, outcome = step(given, "prune", tmp_path, latency=0.6, remember=remember)
    (answer,) = known.values()
    ratio = answer["ratio"]
    assert outcome.details["ratio"] == ratio
    assert outcome.details["latency"] == answer["latency"] <= 0.6
    two, _ = step(given, "prune", tmp_path, latency=0.6, remember=remember)
    three, _ = step(given, "prune", tmp_path, ratio=ratio)
    assert one.digest == two.digest == three.digest
