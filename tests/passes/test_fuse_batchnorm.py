import models
import pytest
import torch
from torch import nn

from optkit.core.signature import Signature, TensorSpec

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


def onnx(kind, tmp_path, **options):
    path = tmp_path / "source.onnx"
    torch.onnx.export(
        models.build(kind), models.example(models.ConvNet), path, input_names=["image"], **options
    )
    return models.artifact("onnx", path)


def raw(kind, tmp_path):
    """As torch's exporter writes it without folding."""
    return onnx(kind, tmp_path, dynamo=False, do_constant_folding=False,
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
    assert done.outcome.details == {"folded": 1, "left": 0}


def test_onnx_whose_bias_is_computed(apply, tmp_path):
    """
    Given: Conv whose bias comes of Shape → CastLike → Expand, as torch.export leaves it unoptimized
    Result: the bias a constant first, then BatchNormalization folded into it
    """
    given = onnx(models.ConvNet, tmp_path, dynamo=True, optimize=False, external_data=False)
    done = apply("fuse_batchnorm", given)
    assert done.before["BatchNormalization"] == 1
    assert "BatchNormalization" not in done.after


@pytest.mark.parametrize("write", [torchscript, raw])
def test_nothing_before_it_to_fold_into(apply, tmp_path, write):
    done = apply("fuse_batchnorm", write(NormFirst, tmp_path))
    assert done.outcome.reason == "no BatchNorm follows a convolution or linear layer"


def test_no_batchnorm(apply, tmp_path):
    path = models.traced(models.TwoInputs, tmp_path / "source.pt")
    specs = TensorSpec("left", (2, 4), "float32"), TensorSpec("right", (2, 5), "float32")
    done = apply("fuse_batchnorm", models.artifact("torchscript", path, signature=Signature(specs)))
    assert done.outcome.reason == "no BatchNorm in the graph"
