from dataclasses import replace

import models
import pytest
import torch
from torch import nn

from optkit.catalogue import find_format
from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.data.synthesise import synthesise

INT8 = 0.95
"""The cosine that INT8 has to reach."""

OWN = {"engine": "optkit"}
NNCF = {"engine": "nncf", "effort": "fast"}
FAST = {"effort": "fast"}


class Attention(nn.Module):
    """One head over (N, 6, 8), written out: (N, 6, 8) -> (N, 6, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        score = self.query(sequence) @ self.key(sequence).transpose(1, 2)
        return torch.softmax(score / 8**0.5, -1) @ self.value(sequence)


def ir(kind, tmp_path):
    return models.artifact("ir", models.ir_file(kind, tmp_path / "source.xml"))


def onnx(kind, tmp_path):
    path = models.onnx_file(kind, tmp_path / "source.onnx", dynamic_batch=True)
    return models.artifact("onnx", path)


def data(model):
    """Samples as a user gives them: on those that are made up nothing is searched."""
    return replace(synthesise(model.signature.inputs, 16, 0, {}), origin="given")


def precision(done):
    return dict(find_format(done.artifact.format).summary(done.artifact).precision)


@pytest.fixture(scope="module")
def attention(tmp_path_factory):
    import openvino

    from optkit.formats import ir as format_

    path = tmp_path_factory.mktemp("attention") / "source.xml"
    torch.manual_seed(0)
    model = openvino.convert_model(
        Attention().eval(), example_input=torch.randn(2, 6, 8), input=[("sequence", [-1, 6, 8])]
    )
    model.outputs[0].get_tensor().set_names({"output"})
    format_.save(model, path)
    return models.artifact("ir", path)


def test_ir(apply, tmp_path):
    """
    Given: Convolution and MatMul with float32 weights
    Result: both with int8 weights and FakeQuantize on what they read, two in all
    """
    done = apply("quantize_int8", ir(models.ConvNet, tmp_path), cosine=INT8, twice=True, **OWN)
    assert done.after["FakeQuantize"] == 2
    assert (precision(done), done.outcome.details["model_type"]) == ({"int8": 2}, "cnn")


def test_onnx(apply, tmp_path):
    """
    Given: Conv → Relu → ReduceMean → Gemm
    Result: QuantizeLinear → DequantizeLinear on what they read, DequantizeLinear on weights
    """
    done = apply("quantize_int8", onnx(models.ConvNet, tmp_path), cosine=INT8, twice=True, **OWN)
    assert done.after["QuantizeLinear"] >= 3
    assert precision(done) == {"int8": 2}
    face = find_format("onnx").signature(done.artifact)
    assert face.inputs[0].shape == (Dim(), 3, 8, 8)


def test_loops_and_branches_in_onnx(apply, tmp_path):
    """
    Given: a linear layer before a loop and a branch, scripted
    Result: the layer outside the loop in int8; the loop's body is left alone
    """

    class Steps(models.LoopNet):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.enter(x)
            n = 0
            while n < 3:
                x = torch.tanh(self.step(x))
                n += 1
            return x * 2 if bool(x.sum() > 0) else x - 1

    path = models.scripted(Steps, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    given = apply("export_onnx", models.artifact("torchscript", path, signature=face)).artifact
    done = apply("quantize_int8", given, cosine=INT8, **FAST)
    assert precision(done) == {"int8": 1, "fp32": 1}


def test_an_ignored_layer_stays_in_floating_point(apply, tmp_path):
    import onnx as library

    given = onnx(models.ConvNet, tmp_path)
    (conv,) = [n.name for n in library.load(given.path).graph.node if n.op_type == "Conv"]
    done = apply("quantize_int8", given, cosine=INT8, ignored_scope={"names": [conv]}, **FAST)
    assert precision(done) == {"int8": 1, "fp32": 1}


def test_an_ignored_type_stays_in_floating_point(apply, tmp_path):
    given, scope = ir(models.ConvNet, tmp_path), {"types": ["MatMul"]}
    done = apply("quantize_int8", given, cosine=INT8, ignored_scope=scope, **FAST)
    assert precision(done) == {"int8": 1, "fp32": 1}


@pytest.mark.parametrize("engine", [OWN, NNCF])
@pytest.mark.parametrize(
    "scope", [{"names": ["nowhere"]}, {"patterns": ["nowhere.*"]}, {"types": ["nowhere"]}]
)
def test_an_ignored_name_that_is_not_there_is_refused(apply, tmp_path, scope, engine):
    with pytest.raises(OptkitError, match="nowhere") as caught:
        apply("quantize_int8", ir(models.ConvNet, tmp_path), ignored_scope=scope, **engine)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "ignored_scope" in caught.value.hint


def test_subset_size_bounds_what_is_read(apply, tmp_path):
    given = ir(models.ConvNet, tmp_path)
    details = apply("quantize_int8", given, cosine=INT8, subset_size=4, **FAST).outcome.details
    assert (details["subset_size"], details["model_type"]) == (4, "cnn")


def test_all_samples_where_there_are_fewer(apply, tmp_path):
    given = ir(models.ConvNet, tmp_path)
    details = apply("quantize_int8", given, cosine=INT8, **FAST).outcome.details
    assert details["subset_size"] == 16


def test_presets_differ_where_values_are_signed(apply, tmp_path):
    """
    Given: an input with values of both signs
    Result: its range is symmetric with the preset performance, as seen with mixed
    """
    given = ir(models.ConvNet, tmp_path)
    ranges = {}
    for preset in ("performance", "mixed"):
        folder = tmp_path / preset
        folder.mkdir()
        done = apply("quantize_int8", given, cosine=INT8, preset=preset, **FAST)
        model = find_format("ir").load(done.artifact)
        (entry,) = model.inputs[0].get_target_inputs()
        first = entry.get_node()
        low, high = (first.input_value(at).get_node().data.item() for at in (1, 2))
        ranges[preset] = low, high
        for made in tmp_path.glob("quantize_int8-*"):
            made.rename(folder / made.name)
    low, high = ranges["performance"]
    assert low == pytest.approx(-high * 128 / 127, rel=1e-3)
    assert ranges["mixed"] != ranges["performance"]


def test_attention_makes_a_transformer(apply, attention):
    """
    Given: three linear layers, softmax and two products of activations
    Result: found to be a transformer
    """
    done = apply("quantize_int8", attention, cosine=INT8, **FAST)
    assert done.outcome.details["model_type"] == "transformer"
    assert precision(done)["int8"] >= 2


def test_the_user_may_know_better(apply, attention):
    done = apply("quantize_int8", attention, cosine=INT8, model_type="cnn", **FAST)
    assert done.outcome.details["model_type"] == "cnn"


def test_a_network_without_weights(apply, tmp_path):
    path = tmp_path / "source.onnx"
    torch.onnx.export(nn.ReLU(), (torch.randn(2, 3),), path, dynamo=False, input_names=["x"])
    done = apply("quantize_int8", models.artifact("onnx", path))
    assert done.outcome.reason == "no operation that carries weights"


def test_a_model_in_int8_stays_as_it_is(apply, tmp_path):
    apply("quantize_int8", ir(models.ConvNet, tmp_path), cosine=INT8, **FAST)
    place = (tmp_path / "quantize_int8-1").rename(tmp_path / "once")
    again = apply("quantize_int8", models.artifact("ir", place / "output" / "model.xml"))
    assert again.outcome.path is None
    assert again.outcome.reason == "every operation that carries weights is in int8 already"


@pytest.mark.parametrize("make", [ir, onnx])
def test_the_best_candidate_is_taken_and_the_others_are_told(apply, tmp_path, make):
    given = make(models.ConvNet, tmp_path)
    details = apply("quantize_int8", given, cosine=INT8, samples=data(given), **OWN).outcome.details
    assert details["held_back"] == 4
    scores = [row["sqnr_db"] for row in details["tried"]]
    assert details["sqnr_db"] == max(scores)
    assert len(scores) > 5
    assert details["chosen"].startswith("optkit")
    assert details["served"]["batch"] == 128 or make is ir


def test_without_data_nothing_is_searched(apply, tmp_path):
    """
    Given: no samples but those made up, no BatchNorm in the source
    Result: one way, and none held back to judge it on
    """
    details = apply("quantize_int8", ir(models.ConvNet, tmp_path), cosine=INT8).outcome.details
    assert details["ranges"].startswith("16 synthesised samples")
    assert "tried" not in details
    assert "margin" not in details["chosen"]


class Residual(torch.nn.Module):
    """A sum that ONNX Runtime fuses into a convolution, whose own output then has no name."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.classify = torch.nn.Linear(3, 4)

    def forward(self, image):
        x = torch.relu(self.first(image))
        return self.classify(torch.relu(x + self.second(x)).mean((2, 3)))


def test_an_engine_that_fails_is_told_and_the_others_go_on(apply, tmp_path):
    """
    Given: a network on which NNCF fails with an error of ONNX Runtime
    Result: quantized by optkit's own engine; the failure is in the table
    """
    torch.manual_seed(0)
    path = tmp_path / "residual.onnx"
    image = torch.randn(1, 3, 8, 8)
    torch.onnx.export(Residual().eval(), (image,), str(path), input_names=["image"], dynamo=False)
    given = models.artifact("onnx", path)
    done = apply("quantize_int8", given, cosine=0.9, samples=data(given))
    tried = done.outcome.details["tried"]
    assert done.outcome.details["chosen"].startswith("optkit")
    told = [row["refused"] for row in tried if "refused" in row]
    assert told
    assert all(line.startswith("NNCF refuses the model: ") for line in told)


def test_a_bound_that_can_be_met_brings_layers_back(apply, tmp_path):
    """
    Given: a bound that INT8 alone misses
    Result: the layer that costs most is in floating point, told with the patch for the recipe
    """
    given = ir(models.ConvNet, tmp_path)
    alone = apply("quantize_int8", given, cosine=INT8, **OWN, **FAST, min_sqnr_db=1)
    assert alone.outcome.details["bounds"][0]["held"]
    bound = alone.outcome.details["sqnr_db"] + 1
    for made in tmp_path.glob("quantize_int8-*"):
        made.rename(tmp_path / f"first-{made.name}")
    done = apply("quantize_int8", given, cosine=INT8, **OWN, **FAST, min_sqnr_db=bound)
    details = done.outcome.details
    assert precision(done) == {"int8": 1, "fp32": 1}
    assert details["reverted"] in (["Convolution before norm"], ["classify"])
    assert details["bounds"][0]["held"]
    assert details["sqnr_db"] >= bound
    names = details["ignored_scope"]
    for made in tmp_path.glob("quantize_int8-*"):
        made.rename(tmp_path / f"second-{made.name}")
    patched = apply("quantize_int8", given, cosine=INT8, **OWN, **FAST, ignored_scope=names)
    assert precision(patched) == {"int8": 1, "fp32": 1}


def test_a_bound_that_cannot_be_met_keeps_the_best_and_says_so(apply, tmp_path):
    given = ir(models.ConvNet, tmp_path)
    details = apply(
        "quantize_int8", given, cosine=INT8, **OWN, **FAST, min_sqnr_db=500, max_drop=0
    ).outcome.details
    missed, kept = details["bounds"]
    assert (missed["name"], missed["held"]) == ("min_sqnr_db", False)
    assert missed["value"] > 20
    assert kept["name"] == "max_drop"


@pytest.mark.parametrize("make", [ir, onnx])
def test_ranges_from_batchnorm_without_data(apply, tmp_path, make):
    """
    Given: Conv → BatchNorm → ReLU → mean → Linear in the source, and no data
    Result: the ranges behind the BatchNorm come from it, and the manifest says so
    """
    given = make(models.ConvNet, tmp_path)
    network = models.traced(models.ConvNet, tmp_path / "source.pt")
    source = models.artifact("torchscript", network, signature=given.signature)
    done = apply("quantize_int8", given, cosine=INT8, source=source)
    assert "BatchNorm of the source, 1 layers" in done.outcome.details["ranges"]
    assert precision(done) == {"int8": 2}


def test_all_in_the_ignored_scope_is_refused_with_the_fix(apply, tmp_path):
    scope = {"types": ["MatMul", "Convolution"]}
    with pytest.raises(OptkitError, match="no operation of this network can be quantized"):
        apply("quantize_int8", ir(models.ConvNet, tmp_path), ignored_scope=scope, **OWN)
