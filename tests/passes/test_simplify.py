import models
import onnx
import torch
from torch import nn

from optkit.formats import onnx as format_


class Flatten(nn.Module):
    """A reshape by computed sizes: (N, 3, 8, 8) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Linear(192, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classify(image.reshape(image.shape[0], image.shape[1] * 64))


def source(tmp_path, kind=Flatten, *, fold=False):
    path = tmp_path / "source.onnx"
    torch.onnx.export(
        models.build(kind), models.example(models.ConvNet), path, dynamo=False,
        do_constant_folding=fold, input_names=["image"], output_names=["output"],
        dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}},
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    return path


def fixed(path):
    """The same with a batch of 2, its shape arithmetic still in it."""
    model = onnx.load(path)
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, path)
    return path


def test_shape_arithmetic_on_a_fixed_shape(apply, tmp_path):
    """
    Given: Shape → Gather → Mul → Concat → Reshape → Gemm on (2, 3, 8, 8)
    Result: Reshape → Gemm
    """
    given = models.artifact("onnx", fixed(source(tmp_path)))
    done = apply("simplify", given, twice=True)
    assert done.before["Shape"] >= 1
    assert done.after == {"Reshape": 1, "Gemm": 1}
    assert done.outcome.details["removed"]["Shape"] == done.before["Shape"]


def test_what_hangs_on_a_dynamic_batch_stays(apply, tmp_path):
    """
    Given: the same on (batch, 3, 8, 8)
    Result: both sizes are right; the batch stays dynamic
    """
    done = apply("simplify", models.artifact("onnx", source(tmp_path)))
    assert done.after["Gemm"] == 1
    face = format_.signature(done.artifact)
    assert face.inputs[0].dynamic
    assert face.outputs[0].dynamic


def test_batchnorm_is_left_to_its_own_pass(apply, tmp_path):
    given = models.artifact("onnx", source(tmp_path, models.ConvNet))
    done = apply("simplify", given)
    assert done.after["BatchNormalization"] == 1


def test_nothing_to_fold(apply, tmp_path):
    path = models.onnx_file(models.ConvNet, tmp_path / "source.onnx")
    assert apply("simplify", models.artifact("onnx", path)).outcome.reason == "nothing to fold"
