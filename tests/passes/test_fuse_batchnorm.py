import models
import neighbouring
import numpy as np
import onnx.helper
import onnx_ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from optkit.core.signature import Signature, TensorSpec
from optkit.rewrite import batchnorm

IMAGE = Signature((TensorSpec("image", (2, 3, 8, 8), "float32"),))


class NormFirst(nn.Module):
    """BatchNorm with no linear operation before it: (N, 3, 8, 8) -> (N, 3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.norm(image).relu()


class Switch(models.ConvNet):
    """Convolution and BatchNorm in a branch and after it."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.conv(image))
        if bool(image.sum() > 0):
            hidden = self.norm(self.conv(image)).relu()
        return self.classify(hidden.mean((2, 3)))


def torchscript(kind, tmp_path, *, script=False):
    write = models.scripted if script else models.traced
    path = write(kind, tmp_path / "source.pt")
    return models.artifact("torchscript", path, signature=IMAGE)


def exported(kind, tmp_path, **options):
    path = tmp_path / "source.onnx"
    torch.onnx.export(
        models.build(kind), models.example(models.ConvNet), path, input_names=["image"], **options
    )
    return models.artifact("onnx", path)


def raw(kind, tmp_path):
    """As torch's exporter writes it without folding."""
    return exported(kind, tmp_path, dynamo=False, do_constant_folding=False,
                training=torch.onnx.TrainingMode.PRESERVE)  # fmt: skip


def test_torchscript(apply, tmp_path):
    """
    Given: conv → batch_norm → relu
    Result: conv with a bias → relu
    """
    done = apply("fuse_batchnorm", torchscript(models.ConvNet, tmp_path), twice=True)
    assert (done.before["batch_norm"], done.after.get("batch_norm", 0)) == (1, 0)
    assert done.outcome.details == {"folded": 1, "left": 0}


def test_torchscript_with_a_branch(apply, tmp_path):
    """
    Given: conv → batch_norm twice, once inside a branch
    Result: both folded, the branch kept
    """
    done = apply("fuse_batchnorm", torchscript(Switch, tmp_path, script=True))
    assert done.outcome.details == {"folded": 2, "left": 0}
    assert "prim::If" in str(torch.jit.load(done.artifact.path).graph)


def test_onnx(apply, tmp_path):
    """
    Given: Conv → BatchNormalization → Relu
    Result: Conv → Relu
    """
    done = apply("fuse_batchnorm", raw(models.ConvNet, tmp_path), twice=True)
    assert done.before["BatchNormalization"] == 1
    assert done.after == {"Conv": 1, "Relu": 1, "ReduceMean": 1, "Gemm": 1}
    assert done.outcome.details == {"changed": 1, "folded": 1, "left": 0}


def test_onnx_whose_bias_is_computed(apply, tmp_path):
    """
    Given: Conv whose bias comes of Shape → CastLike → Expand, as torch.export leaves it unoptimized
    Result: the bias a constant first, then BatchNormalization folded into it
    """
    given = exported(models.ConvNet, tmp_path, dynamo=True, optimize=False, external_data=False)
    done = apply("fuse_batchnorm", given)
    assert done.before["BatchNormalization"] == 1
    assert "BatchNormalization" not in done.after


def test_nothing_before_it_in_torchscript(apply, tmp_path):
    done = apply("fuse_batchnorm", torchscript(NormFirst, tmp_path))
    assert done.outcome.reason == "no BatchNorm follows a convolution or linear layer"


def test_nothing_beside_it_in_onnx(apply, tmp_path):
    done = apply("fuse_batchnorm", raw(NormFirst, tmp_path))
    assert done.outcome.reason == "1 left alone: no linear operation before or after it"


def test_no_batchnorm(apply, tmp_path):
    path = models.traced(models.TwoInputs, tmp_path / "source.pt")
    specs = TensorSpec("left", (2, 4), "float32"), TensorSpec("right", (2, 5), "float32")
    done = apply("fuse_batchnorm", models.artifact("torchscript", path, signature=Signature(specs)))
    assert done.outcome.reason == "no BatchNorm in the graph"


def parameters(channels, draw, *, centred=False):
    """γ, β, μ, σ² of a BatchNorm; where `centred`, it shifts nothing."""
    beta, mean = draw.normal(size=(2, channels)) * (not centred)
    gamma, variance = draw.uniform(0.5, 1.5, (2, channels))
    return dict(zip(("g", "b", "m", "v"), (gamma, beta, mean, variance), strict=True))


def beside(kind, side, *, groups=1, padded=False, biased=True, centred=False, seed=0, **options):
    """A linear operation of 4 → 6 channels with BatchNorm before or after it."""
    draw = np.random.default_rng(seed)
    facts, shape, weight = {}, (2, 4), (4, 6)
    if kind.startswith("Conv"):
        facts = {"group": groups, "pads": [1, 0, 1, 0] if padded else [0] * 4, "strides": [2, 1]}
        weight = (6, 4 // groups, 3, 2) if kind == "Conv" else (4, 6 // groups, 3, 2)
        shape = (2, 4, 5, 6)
    if kind == "Gemm":
        facts = {"transB": padded, "alpha": 0.5, "beta": 2.0}
        weight = (6, 4) if padded else (4, 6)
    names = "h w c" if biased and kind != "MatMul" else "h w"
    weights = {"w": draw.normal(size=weight)} | ({"c": draw.normal(size=6)} if "c" in names else {})
    norm = "BatchNormalization"
    if side == "after":
        nodes = [(kind, names.replace("h", "x"), "h", facts), (norm, "h g b m v", "y", {})]
    else:
        nodes = [(norm, "x g b m v", "h", {}), (kind, names, "y", facts)]
    weights |= parameters(6 if side == "after" else 4, draw, centred=centred)
    return neighbouring.model(nodes, {"x": ("n", *shape[1:])}, ["y"], weights, **options)


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
def test_on_either_side(kind, side, opset):
    """
    Given: BatchNormalization before or after a linear operation
    Result: the linear operation alone; MatMul becomes Gemm, which has a bias
    """
    done, left = neighbouring.rewritten(beside(kind, side, opset=opset), batchnorm.fuse)
    assert done.changed == 1
    assert left == {"Gemm" if kind == "MatMul" else kind: 1}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["Conv", "ConvTranspose", "Gemm", "MatMul"]),
    side=st.sampled_from(["before", "after"]),
    groups=st.sampled_from([1, 2]),
    padded=st.booleans(),
    biased=st.booleans(),
    centred=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_stay_equal(kind, side, groups, padded, biased, centred, seed):
    given = beside(
        kind, side, groups=groups, padded=padded, biased=biased, centred=centred, seed=seed
    )
    done, _ = neighbouring.rewritten(given, batchnorm.fuse)
    inexact = kind == "ConvTranspose" or (kind == "Conv" and padded)
    assert done.changed == (0 if side == "before" and inexact and not centred else 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float16, 5e-3)])
def test_other_floats(dtype, tolerance):
    given = beside("Gemm", "after", dtype=dtype)
    done, left = neighbouring.rewritten(given, batchnorm.fuse, tolerance=tolerance)
    assert (done.changed, left) == (1, {"Gemm": 1})


def test_two_in_a_row_before_two_readers():
    """
    Given: BatchNormalization twice, then two Conv that read its result
    Result: two Conv
    """
    draw = np.random.default_rng(0)
    norm = ("BatchNormalization", "g b m v")
    given = neighbouring.model(
        [(norm[0], f"x {norm[1]}", "p", {}), (norm[0], f"p {norm[1]}", "q", {}),
         ("Conv", "q w", "y", {}), ("Conv", "q w", "z", {})],
        {"x": ("n", 4, 5, 5)}, ["y", "z"],
        parameters(4, draw) | {"w": draw.normal(size=(3, 4, 2, 2))},
    )  # fmt: skip
    done, left = neighbouring.rewritten(given, batchnorm.fuse)
    assert (done.changed, left) == (2, {"Conv": 2})


def test_shared_weights_are_kept_for_the_other():
    draw = np.random.default_rng(0)
    given = neighbouring.model(
        [("Conv", "x w", "h", {}), ("BatchNormalization", "h g b m v", "y", {}),
         ("Conv", "x w", "z", {})],
        {"x": ("n", 4, 5, 5)}, ["y", "z"],
        parameters(3, draw) | {"w": draw.normal(size=(3, 4, 2, 2))},
    )  # fmt: skip
    done, left = neighbouring.rewritten(given, batchnorm.fuse)
    assert (done.changed, left) == (1, {"Conv": 2})


def test_in_a_branch():
    """
    Given: Conv → BatchNormalization in one branch of an If
    Result: Conv in it
    """
    given = in_branch([("Conv", "x w", "h"), ("BatchNormalization", "h g b m v", "t")])
    done, left = neighbouring.rewritten(given, batchnorm.fuse)
    assert done.changed == 1
    assert left["BatchNormalization"] == 0


def test_across_the_border_of_a_branch():
    given = in_branch([("BatchNormalization", "h g b m v", "t")], [("Conv", "x w", "h")])
    done, _ = neighbouring.rewritten(given, batchnorm.fuse)
    assert done.left == {"the border of a subgraph lies between": 1}


def in_branch(inside, before=()):
    draw = np.random.default_rng(0)
    make = [onnx.helper.make_node(op, a.split(), [b]) for op, a, b in inside]
    out = [onnx.helper.make_tensor_value_info("t", 1, None)]
    then = onnx.helper.make_graph(make, "then", [], out)
    other = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["u"])], "else", [],
        [onnx.helper.make_tensor_value_info("u", 1, None)],
    )  # fmt: skip
    return neighbouring.model(
        [*((op, a, b, {}) for op, a, b in before), ("ReduceSum", "x", "s", {"keepdims": 0}),
         ("Greater", "s zero", "c", {}),
         ("If", "c", "y", {"then_branch": then, "else_branch": other})],
        {"x": (1, 4, 5, 5)}, ["y"],
        parameters(3, draw) | {"w": draw.normal(size=(3, 4, 2, 2)), "zero": np.array(-1e9)},
    )  # fmt: skip


def leave(change):
    """Conv → BatchNormalization with one thing that forbids to fold it."""
    draw = np.random.default_rng(0)
    nodes = [["Conv", "x w", "h", {}], ["BatchNormalization", "h g b m v", "y", {}]]
    outputs, fed, weights = ["y"], [], parameters(3, draw)
    weights["w"] = draw.normal(size=(3, 4, 2, 2))
    change(nodes, outputs, fed, weights)
    return neighbouring.model(nodes, {"x": ("n", 4, 5, 5)}, outputs, weights, fed=fed)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda n, o, f, w: o.append("h"), "others read the value between"),
        (lambda n, o, f, w: (n.append(["Relu", "h", "z", {}]), o.append("z")),
         "others read the value between"),
        (lambda n, o, f, w: f.append("w"), "the weights beside it are computed or can be fed"),
        (lambda n, o, f, w: f.append("m"),
         "the parameters of BatchNorm are computed or can be fed"),
        (lambda n, o, f, w: n.insert(1, ["Relu", "h", "r", {}]) or n[2].__setitem__(1, "r g b m v"),
         "no linear operation before or after it"),
        (lambda n, o, f, w: w.update(g=np.full(3, 3e38), v=np.full(3, 1e-12)),
         "folded weights would not fit float32"),
    ],
)  # fmt: skip
def test_left_alone(change, why):
    done = batchnorm.fuse(onnx_ir.from_proto(leave(change)))
    assert (done.changed, done.left) == (0, {why: 1})


def test_a_shift_before_padding_is_left_alone():
    done, _ = neighbouring.rewritten(beside("Conv", "before", padded=True), batchnorm.fuse)
    assert done.left == {"a shift before padding or ConvTranspose is not exact at the border": 1}


def test_training_is_left_alone():
    given = leave(
        lambda n, o, f, w: n[1].__setitem__(2, "y p q") or n[1][3].update(training_mode=1)
    )
    done = batchnorm.fuse(onnx_ir.from_proto(given))
    assert done.left == {"a BatchNorm in training mode": 1}
