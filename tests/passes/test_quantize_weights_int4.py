import models
import openvino
import pytest
import torch
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.formats import ir


class Deep(nn.Module):
    """Three linear layers after an embedding: token ids (N, S) -> (N, S, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 256)
        self.layers = nn.Sequential(
            nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 8)
        )

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.layers(self.table(input_ids))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    path = tmp_path_factory.mktemp("deep") / "source.xml"
    example = torch.randint(0, 64, (2, 6))
    model = openvino.convert_model(models.build(Deep), example_input=example)
    model.inputs[0].get_tensor().set_names({"input_ids"})
    model.outputs[0].get_tensor().set_names({"output"})
    model.reshape([-1, -1])
    ir.save(model, path)
    return models.artifact("ir", path)


def test_a_network(apply, deep):
    """
    Given: an embedding and three MatMul with float32 weights
    Result: the table and the last MatMul in 8 bits, the others in 4, a scale for 64 weights
    """
    done = apply("quantize_weights_int4", deep, cosine=0.95, twice=True)
    assert ir.summary(done.artifact).precision == {"w4a16": 2, "w8a16": 1}
    assert deep.files[1].stat().st_size / done.artifact.files[1].stat().st_size > 5


def test_a_network_that_has_none(apply, tmp_path):
    """
    Given: a convolution, and one MatMul, which is the last layer
    Result: both in 8 bits, and said so
    """
    given = models.artifact("ir", models.ir_file(models.ConvNet, tmp_path / "source.xml"))
    done = apply("quantize_weights_int4", given, cosine=0.99)
    assert ir.summary(done.artifact).precision == {"w8a16": 2}
    assert done.outcome.reason == "no matrix product takes 4 bits; its weights have 8"


def test_a_share_in_4_bits(apply, deep):
    done = apply("quantize_weights_int4", deep, cosine=0.95, ratio=0.7)
    assert ir.summary(done.artifact).precision == {"w4a16": 1, "w8a16": 2}


def test_smaller_groups_are_closer(apply, deep, tmp_path):
    found = {}
    for size in (32, 256):
        done = apply("quantize_weights_int4", deep, cosine=0.95, group_size=size)
        found[size] = done.cosine["output"]
        (tmp_path / "quantize_weights_int4-1").rename(tmp_path / f"group-{size}")
    assert found[32] > found[256]


def test_groups_by_themselves_divide_the_channels(apply, tmp_path):
    """
    Given: linear layers whose channels 64 does not divide: 96
    Result: groups of 32, without being asked for
    """

    class Odd(Deep):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(64, 96)
            self.layers = nn.Sequential(nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 8))

    path = tmp_path / "source.xml"
    model = openvino.convert_model(models.build(Odd), example_input=torch.randint(0, 64, (2, 6)))
    model.inputs[0].get_tensor().set_names({"input_ids"})
    model.outputs[0].get_tensor().set_names({"output"})
    ir.save(model, path)
    done = apply("quantize_weights_int4", models.artifact("ir", path), cosine=0.95)
    assert ir.summary(done.artifact).precision == {"w4a16": 1, "w8a16": 1}


def test_a_group_that_does_not_divide_the_channels_is_refused(apply, deep):
    with pytest.raises(OptkitError) as caught:
        apply("quantize_weights_int4", deep, cosine=0.95, group_size=96)
    assert caught.value.exit_code is Exit.BAD_INPUT
