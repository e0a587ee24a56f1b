import models
import numpy as np
import openvino
import pytest
import torch
from torch import nn

from optkit.catalogue import find_pass
from optkit.core.errors import Exit, OptkitError
from optkit.core.samples import Samples
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


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(64, 64) for _ in range(4))
        self.before, self.between = nn.LayerNorm(64), nn.LayerNorm(64)
        self.up, self.down = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        seen = (self.query(y) @ self.key(y).transpose(1, 2) / 8).softmax(-1) @ self.value(y)
        x = x + self.out(seen)
        return x + self.down(nn.functional.silu(self.up(self.between(x))))


class Transformer(nn.Module):
    """An embedding, two blocks, a head: token ids (N, S) -> (N, S, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 64)
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(64, 16)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.table(input_ids)))


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    path = tmp_path_factory.mktemp("transformer") / "source.xml"
    example = torch.randint(0, 64, (2, 16))
    model = openvino.convert_model(models.build(Transformer), example_input=example)
    model.inputs[0].get_tensor().set_names({"input_ids"})
    model.outputs[0].get_tensor().set_names({"output"})
    model.reshape([2, 16])
    ir.save(model, path)
    return models.artifact("ir", path)


@pytest.fixture
def small(apply, transformer, tmp_path):
    """The pass on the transformer: bytes, precisions, and the error of the output, in dB."""
    runs = []

    def run(samples=None, **options):
        done = apply("quantize_weights_int4", transformer, cosine=0.9, samples=samples, **options)
        size = done.artifact.files[1].stat().st_size
        found = dict(ir.summary(done.artifact).precision), size, done.cosine["output"]
        runs.append(1)
        (tmp_path / "quantize_weights_int4-1").rename(tmp_path / f"run-{len(runs)}")
        return *found, done.outcome

    return run


def given(count=16):
    ids = np.random.default_rng(3).integers(0, 64, (count, 2, 16))
    return Samples(count, lambda i: {"input_ids": ids[i]}, None, "given", "ids", "ids.npz")


def test_a_transformer_in_4_bits(small, transformer):
    """
    Given: a transformer with 14 layers of weights: a table, 12 MatMul, a head
    Result: what the options say in 4 bits, in 8 bits, and as it was; smaller in that order
    """
    plain, held, _, _ = small(group_size=32)
    assert plain == {"w4a16": 12, "w8a16": 1}
    half, more, _, _ = small(group_size=32, ratio=0.5, backup_mode="int8_sym")
    assert set(half) == {"w4a16", "w8a16"}
    assert half["w4a16"] < 12
    kept, most, _, _ = small(group_size=32, ratio=0.5, backup_mode="none")
    assert kept["fp32"] == 13 - kept["w4a16"]
    every, least, _, _ = small(group_size=32, all_layers=True)
    assert every == {"w4a16": 13}
    spared, _, _, _ = small(group_size=32, ignored_scope={"patterns": [".*down.*"]})
    assert spared == {"w4a16": 10, "fp32": 2, "w8a16": 1}
    assert least < held < more < most < transformer.files[1].stat().st_size


def test_with_data_it_comes_closer(small):
    """GPTQ rounds by the activations of the data: at least 1 dB nearer on other samples."""
    _, size, plain, outcome = small(group_size=32)
    assert not outcome.details["data"]
    _, same, aware, outcome = small(given(), group_size=32, gptq=True)
    assert outcome.details["data"]
    assert same == size
    assert (1 - aware) < (1 - plain) / 10**0.1  # for small errors 1 − cosine is half their power
    _, _, scaled, _ = small(given(), group_size=32, scale_estimation=True, awq=True)
    assert scaled > plain


def test_awq_goes_without_data(small):
    _, _, _, outcome = small(group_size=32, awq=True)
    assert not outcome.details["data"]


@pytest.mark.parametrize(
    ("options", "data", "cause", "fix"),
    [
        ({"gptq": True}, False, "gptq looks at activations, and no data was given", "--data"),
        ({"ratio": 0.5, "sensitivity_metric": "max_activation_variance"}, False,
         "sensitivity_metric: max_activation_variance looks at activations", "--data"),
        ({"gptq": True, "lora_correction": True}, True, "exclude each other", "leave one out"),
        ({"sensitivity_metric": "weight_quantization_error"}, False, "ratio 1 leaves no choice",
         "set ratio below 1"),
        ({"all_layers": True, "backup_mode": "none"}, False, "with ratio 1 leaves none", "ratio"),
        ({"group_size": 0}, False, "a group of 0 weights", "give group_size 32"),
        ({"ignored_scope": {"names": ["gone"]}}, False, "gone", "mend ignored_scope"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(small, options, data, cause, fix):
    with pytest.raises(OptkitError) as caught:
        small(given(2) if data else None, **options)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert cause in caught.value.message
    assert "\n" not in caught.value.message
    assert fix in caught.value.hint


def test_the_cache_key_holds_the_data_that_is_looked_at():
    item = find_pass("quantize_weights_int4")
    assert not item.reads_data(item.options())
    for name in ("awq", "gptq", "scale_estimation", "lora_correction"):
        assert item.reads_data(item.options(**{name: True}))
