import models
import pytest

from optkit.catalogue import find_format
from optkit.core.signature import Signature, TensorSpec

FP16 = 0.999
"""The cosine that FP16 has to reach."""


def onnx(kind, tmp_path):
    return models.artifact("onnx", models.onnx_file(kind, tmp_path / "source.onnx"))


def precision(done):
    return dict(find_format(done.artifact.format).summary(done.artifact).precision)


def test_ir(apply, tmp_path):
    """
    Given: Convolution and MatMul with float32 weights
    Result: float16 weights, half the bytes of the .bin, widened by Convert
    """
    given = models.artifact("ir", models.ir_file(models.ConvNet, tmp_path / "source.xml"))
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    assert precision(done) == {"fp16": 2}
    assert done.after["Convert"] >= 2
    sizes = [artifact.files[1].stat().st_size for artifact in (given, done.artifact)]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("kind", [models.ConvNet, models.TwoInputs, models.Recurrent])
def test_onnx(apply, tmp_path, kind):
    """
    Given: float32 initializers, inputs and outputs
    Result: float16 initializers; a Cast behind each input and before each output
    """
    given = onnx(kind, tmp_path)
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    ends = len(given.signature.inputs) + len(given.signature.outputs)
    assert set(precision(done)) == {"fp16"}
    assert done.after["Cast"] == done.before.get("Cast", 0) + ends


def test_onnx_ends_in_half_precision_too(apply, tmp_path):
    """
    Given: the same, option keep_io: false
    Result: no Cast; inputs and outputs are float16
    """
    done = apply("convert_fp16", onnx(models.ConvNet, tmp_path), cosine=FP16, keep_io=False)
    assert "Cast" not in done.after
    face = find_format("onnx").signature(done.artifact)
    assert [spec.dtype for spec in (*face.inputs, *face.outputs)] == ["float16", "float16"]
    assert done.outcome.signature == face


def test_loops_and_branches_in_onnx(apply, tmp_path):
    """
    Given: a linear layer in a loop, and a branch
    Result: the layer in float16 inside the loop
    """
    path = models.scripted(models.LoopNet, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    given = apply("export_onnx", models.artifact("torchscript", path, signature=face)).artifact
    done = apply("convert_fp16", given, cosine=FP16)
    assert precision(done) == {"fp16": 1}
    assert (done.after["Loop"], done.after["If"]) == (1, 1)


@pytest.mark.parametrize("format_name", ["ir", "onnx"])
def test_no_float32_weights(apply, tmp_path, format_name):
    import numpy as np
    import onnx as library

    x = library.helper.make_tensor_value_info("x", 1, [2, 3])
    y = library.helper.make_tensor_value_info("y", 1, [2, 3])
    node = library.helper.make_node("Relu", ["x"], ["y"])
    model = library.helper.make_model(
        library.helper.make_graph([node], "g", [x], [y]),
        opset_imports=[library.helper.make_opsetid("", 18)], ir_version=9,
    )  # fmt: skip
    library.save(model, tmp_path / "source.onnx")
    given = models.artifact("onnx", tmp_path / "source.onnx")
    if format_name == "ir":
        given = apply("emit_ir", given).artifact
    assert np.dtype(given.signature.inputs[0].dtype) == np.float32
    assert apply("convert_fp16", given).outcome.reason == "no float32 weights"
