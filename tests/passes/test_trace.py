import models
import pytest
import torch
from torch import nn

from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.formats import torchscript

OPEN = Signature((TensorSpec("image", (Dim(), 3, 8, 8), "float32"),))


class Remembering(nn.Module):
    """Takes a number out of its input in Python: (N, 4) -> (N, 4)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.abs().max().item()


class Counting(nn.Module):
    """Builds the batch into the graph: (N, 4) -> (1, 4)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[row] for row in range(x.shape[0])]).sum(0, keepdim=True)


def module(kind, tmp_path, signature):
    path = models.pickled(kind, tmp_path / "source.pt")
    return models.artifact("module", path, signature=signature, trusted=True)


def test_a_network(apply, tmp_path):
    """
    Given: conv → BatchNorm → relu → mean → linear, in Python
    Result: the same operations, once each
    """
    done = apply("trace", module(models.ConvNet, tmp_path, OPEN), twice=True)
    assert done.after == {"_convolution": 1, "batch_norm": 1, "relu": 1, "mean": 1, "linear": 1}
    assert [spec.name for spec in torchscript.signature(done.artifact).inputs] == ["image"]


def test_freezing_folds_batchnorm(apply, tmp_path):
    """
    Given: the same, option freeze: true
    Result: no batch_norm
    """
    done = apply("trace", module(models.ConvNet, tmp_path, OPEN), freeze=True)
    assert "batch_norm" not in done.after


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (models.DictNet, ["logits", "features"]),
        (models.NestedNet, ["output_0", "output_1_0", "output_1_1"]),
    ],
)
def test_outputs_keep_their_names(apply, tmp_path, kind, names):
    assert list(apply("trace", module(kind, tmp_path, OPEN)).cosine) == names


@pytest.mark.parametrize(
    ("kind", "shape"), [(Remembering, (2, 4)), (Counting, (Dim(), 4))], ids=["values", "sizes"]
)
def test_a_network_that_depends_on_its_input_is_refused(apply, tmp_path, kind, shape):
    face = Signature((TensorSpec("x", shape, "float32"),))
    with pytest.raises(OptkitError, match="another 'output' than the network") as caught:
        apply("trace", module(kind, tmp_path, face))
    assert "export_program" in caught.value.hint
