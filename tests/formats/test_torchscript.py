import zipfile

import models
import pytest
import torch
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import TensorSpec
from optkit.formats import torchscript
from optkit.graphs.torch_outputs import flatten


def traced(kind, tmp_path):
    return models.artifact("torchscript", models.traced(kind, tmp_path / "model.pt"))


def scripted(network, tmp_path):
    path = tmp_path / "model.pt"
    torch.jit.script(network.eval()).save(str(path))
    return models.artifact("torchscript", path)


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        (models.ConvNet, ["output"]),
        (models.DictNet, ["logits", "features"]),
        (models.NestedNet, ["output_0", "output_1_0", "output_1_1"]),
        (models.TwoInputs, ["output_0", "output_1"]),
    ],
)
def test_outputs_are_named_as_a_run_names_them(kind, outputs, tmp_path):
    artifact = traced(kind, tmp_path)
    assert [spec.name for spec in artifact.signature.outputs] == outputs
    returned = torchscript.load(artifact)(*models.example(kind))
    assert [name for name, _ in flatten(returned)] == outputs


def test_a_trace_tells_shapes_and_dtypes(tmp_path):
    inputs = traced(models.TokenNet, tmp_path).signature.inputs
    assert inputs == (
        TensorSpec("input_ids", (2, 6), "int64"),
        TensorSpec("attention_mask", (2, 6), "int64"),
    )


def test_a_frozen_file_keeps_names_and_parameters(tmp_path):
    frozen = torch.jit.freeze(torch.jit.script(models.build(models.TwoInputs)))
    frozen.save(str(tmp_path / "model.pt"))
    artifact = models.artifact("torchscript", tmp_path / "model.pt")
    assert [spec.name for spec in artifact.signature.inputs] == ["left", "right"]
    assert torchscript.summary(artifact).parameters == 4 * 3 + 3 + 5 * 3 + 3


@pytest.mark.parametrize(
    ("kind", "specs"),
    [
        (models.ConvNet, {"image": "image=1,3,224,224:float32"}),
        (models.LoopNet, {"x": "x=1,4:float32"}),
        (models.Recurrent, {"sequence": "sequence=1,16,4:float32"}),
        (
            models.TokenNet,
            {"input_ids": "input_ids=1,16:int64", "attention_mask": "attention_mask=1,16:int64"},
        ),
    ],
)
def test_a_script_implies_its_inputs(kind, specs, tmp_path):
    artifact = models.artifact("torchscript", models.scripted(kind, tmp_path / "model.pt"))
    assert all(spec.shape is None for spec in artifact.signature.inputs)
    assert torchscript.implied(artifact) == specs


def test_arguments_that_may_be_left_out_are_no_inputs(tmp_path):
    class Optional(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, factor: int = 2):
            return x * factor if mask is None else x * mask

    assert [s.name for s in scripted(Optional(), tmp_path).signature.inputs] == ["x"]


def test_an_argument_that_is_no_tensor_is_bad_input(tmp_path):
    class Listed(nn.Module):
        def forward(self, parts: list[torch.Tensor]):
            return torch.cat(parts)

    with pytest.raises(OptkitError, match="'parts' is a List") as caught:
        scripted(Listed(), tmp_path)
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_counts(tmp_path):
    found = torchscript.summary(traced(models.ConvNet, tmp_path))
    assert found.operations == {
        "_convolution": 1, "batch_norm": 1, "relu": 1, "mean": 1, "linear": 1,
    }  # fmt: skip
    assert found.parameters == 4 * 27 + 8 + 4 * 5 + 5
    assert found.flops == 2 * 2 * (4 * 36 * 27 + 20)  # batch 2
    assert found.precision == {"fp32": 2}


def test_recurrent_and_half_weights_count(tmp_path):
    assert torchscript.summary(traced(models.Recurrent, tmp_path)).precision == {"fp32": 1}
    half = torch.jit.script(models.build(models.TwoInputs).half())
    half.save(str(tmp_path / "half.pt"))
    artifact = models.artifact("torchscript", tmp_path / "half.pt")
    assert torchscript.summary(artifact).precision == {"fp16": 2}


def test_index_bounds_follow_ids_alone(tmp_path):
    assert torchscript.index_bounds(traced(models.TokenNet, tmp_path)) == {"input_ids": 11}
    assert torchscript.index_bounds(traced(models.ConvNet, tmp_path)) == {}


def test_a_damaged_file_is_bad_input(tmp_path):
    path = models.traced(models.ConvNet, tmp_path / "model.pt")
    damaged = tmp_path / "damaged.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"" if name.endswith(".py") else old.read(name))
    assert torchscript.recognise(damaged)
    with pytest.raises(OptkitError, match=r"cannot read 'damaged\.pt' as TorchScript") as caught:
        models.artifact("torchscript", damaged)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert caught.value.hint


def test_an_input_of_no_dimensions(tmp_path):
    class Scaled(nn.Module):
        def forward(self, x, factor):
            return x * factor

    path = tmp_path / "model.pt"
    torch.jit.trace(Scaled(), (torch.randn(8), torch.tensor(2.0))).save(str(path))
    found = models.artifact("torchscript", path).signature.inputs
    assert found == (TensorSpec("x", (8,), "float32"), TensorSpec("factor", (), "float32"))
