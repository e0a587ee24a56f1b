import models
import pytest
import torch

from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.formats import exported

IMAGE = Signature((TensorSpec("image", (1, 3, 8, 8), "float32"),))
OPEN = Signature((TensorSpec("image", (Dim(1, 8), 3, 8, 8), "float32"),))
TOKENS = Signature((
    TensorSpec("input_ids", (Dim(1, 4), Dim(2, 64)), "int64"),
    TensorSpec("attention_mask", (Dim(1, 4), Dim(2, 64)), "int64"),
))  # fmt: skip


def source(kind, tmp_path, signature, from_):
    write = models.pickled if from_ == "module" else models.traced
    path = write(kind, tmp_path / "source.pt")
    return models.artifact(from_, path, signature=signature, trusted=from_ == "module")


def openness(face):
    """Sizes and upper bounds; torch writes a lower bound of 1 as 2."""
    return {
        spec.name: [("to", dim.high) if isinstance(dim, Dim) else dim for dim in spec.shape]
        for spec in face.inputs
    }


FROM = pytest.mark.parametrize("from_", ["module", "torchscript"])


@FROM
@pytest.mark.parametrize("face", [IMAGE, OPEN], ids=["fixed", "dynamic"])
def test_a_network(apply, tmp_path, from_, face):
    """
    Given: conv → BatchNorm → relu → mean → linear
    Result: the same as ATen operations; dimensions are those of the signature, neither more nor
    fewer of them open; weights keep their names
    """
    done = apply("export_program", source(models.ConvNet, tmp_path, face, from_), twice=True)
    assert {"batch_norm", "relu", "mean", "linear"} <= set(done.after)
    assert openness(exported.signature(done.artifact)) == openness(face)
    program = torch.export.load(done.artifact.path)
    assert {"conv.weight", "norm.running_var", "classify.bias"} <= set(program.state_dict)


@FROM
def test_integer_inputs_dynamic_on_two_axes(apply, tmp_path, from_):
    done = apply("export_program", source(models.TokenNet, tmp_path, TOKENS, from_))
    assert openness(exported.signature(done.artifact)) == openness(TOKENS)
    assert exported.index_bounds(done.artifact) == {"input_ids": 11}


@FROM
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (models.DictNet, ["logits", "features"]),
        (models.NestedNet, ["output_0", "output_1_0", "output_1_1"]),
    ],
)
def test_outputs_keep_their_names(apply, tmp_path, from_, kind, names):
    assert list(apply("export_program", source(kind, tmp_path, IMAGE, from_)).cosine) == names


def test_two_inputs_and_two_outputs(apply, tmp_path):
    specs = TensorSpec("left", (2, 4), "float32"), TensorSpec("right", (2, 5), "float32")
    given = source(models.TwoInputs, tmp_path, Signature(specs), "torchscript")
    assert list(apply("export_program", given).cosine) == ["output_0", "output_1"]


def test_loops_in_torchscript_are_refused(apply, tmp_path):
    path = models.scripted(models.LoopNet, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    with pytest.raises(Exception, match=r"prim::(Loop|If|Uninitialized|unchecked_cast)|Loop"):
        apply("export_program", models.artifact("torchscript", path, signature=face))
