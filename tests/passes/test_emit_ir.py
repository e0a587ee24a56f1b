import models
import pytest

from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.formats import ir
from optkit.quantization.ir.names import operations

IMAGE = Signature((TensorSpec("image", (2, 3, 8, 8), "float32"),))
OPEN = Signature((TensorSpec("image", (Dim(), 3, 8, 8), "float32"),))
BOUNDED = Signature((TensorSpec("image", (Dim(1, 8), 3, 8, 8), "float32"),))
TOKENS = Signature((
    TensorSpec("input_ids", (Dim(), Dim(2, 64)), "int64"),
    TensorSpec("attention_mask", (Dim(), Dim(2, 64)), "int64"),
))  # fmt: skip


def traced(kind, tmp_path, signature):
    path = models.traced(kind, tmp_path / "source.pt")
    return models.artifact("torchscript", path, signature=signature)


def test_torchscript(apply, tmp_path):
    """
    Given: conv → BatchNorm → relu → mean → linear, traced
    Result: BatchNorm folded into the convolution: Convolution, Add, Relu, ReduceMean, MatMul, Add
    """
    done = apply("emit_ir", traced(models.ConvNet, tmp_path, IMAGE), twice=True)
    assert done.before["batch_norm"] == 1
    assert done.after == {"Convolution": 1, "Add": 2, "Relu": 1, "ReduceMean": 1, "MatMul": 1}
    assert ir.summary(done.artifact).precision == {"fp32": 2}


@pytest.mark.parametrize("kind", [models.traced, models.scripted])
def test_layers_are_told_by_the_names_of_their_modules(apply, tmp_path, kind):
    """
    Given: conv → BatchNorm → relu → mean → linear, from a file
    Result: the layers are told as `conv` and `classify`, as the source has them
    """
    path = kind(models.ConvNet, tmp_path / "source.pt")
    done = apply("emit_ir", models.artifact("torchscript", path, signature=IMAGE))
    told = operations(ir.load(done.artifact)).values()
    layers = [name for type_, name in told if type_ in {"Convolution", "MatMul"}]
    assert layers == ["conv", "classify"]


def test_exported_program(apply, tmp_path):
    """
    Given: the same as an exported program with a dynamic batch
    Result: the same operations; the batch keeps its bounds
    """
    path = models.exported(models.ConvNet, tmp_path / "source.pt2", dynamic_batch=True)
    done = apply("emit_ir", models.artifact("exported", path), twice=True)
    assert done.after == {"Convolution": 1, "Add": 2, "Relu": 1, "ReduceMean": 1, "MatMul": 1}
    assert ir.signature(done.artifact).inputs[0].shape == (Dim(1, 64), 3, 8, 8)


def test_onnx_under_a_path_with_commas(apply, tmp_path):
    folder = tmp_path / "a, b"
    folder.mkdir()
    path = models.onnx_file(models.ConvNet, folder / "one,two.onnx")
    apply("emit_ir", models.artifact("onnx", path))


def test_onnx(apply, tmp_path):
    """
    Given: Conv → Relu → ReduceMean → Gemm
    Result: Convolution, Add, Relu, ReduceMean, MatMul, Add
    """
    path = models.onnx_file(models.ConvNet, tmp_path / "source.onnx")
    done = apply("emit_ir", models.artifact("onnx", path), twice=True)
    assert done.before == {"Conv": 1, "Relu": 1, "ReduceMean": 1, "Gemm": 1}
    assert done.after == {"Convolution": 1, "Add": 2, "Relu": 1, "ReduceMean": 1, "MatMul": 1}


@pytest.mark.parametrize("signature", [OPEN, BOUNDED], ids=["open", "bounded"])
def test_dynamic_dimensions_are_those_of_the_signature(apply, tmp_path, signature):
    done = apply("emit_ir", traced(models.ConvNet, tmp_path, signature))
    assert ir.signature(done.artifact).inputs == signature.inputs


def test_integer_inputs_dynamic_on_two_axes(apply, tmp_path):
    """
    Given: token ids below 11 and a mask, both int64 (?, 2..64)
    Result: the same names, shapes and dtypes; the table is read by Gather
    """
    done = apply("emit_ir", traced(models.TokenNet, tmp_path, TOKENS))
    assert ir.signature(done.artifact).inputs == TOKENS.inputs
    assert ir.index_bounds(done.artifact) == {"input_ids": 11}
    assert done.after["Gather"] == 1


@pytest.mark.parametrize("kind", [models.DictNet, models.NestedNet])
def test_outputs_of_dicts_and_nested_tuples_keep_their_names(apply, tmp_path, kind):
    done = apply("emit_ir", traced(kind, tmp_path, IMAGE))
    names = {"DictNet": ["logits", "features"],
             "NestedNet": ["output_0", "output_1_0", "output_1_1"]}[kind.__name__]  # fmt: skip
    assert list(done.cosine) == names


def test_outputs_that_share_a_tensor_keep_a_name_each(apply, tmp_path):
    """
    Given: relu(x) given out twice, and x itself
    Result: the second one and x by way of a Convert that changes nothing
    """
    import torch

    class Echo(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            y = x.relu()
            return {"first": y, "second": y, "given": x}

    path = tmp_path / "source.pt"
    torch.jit.trace(Echo(), torch.randn(2, 3), strict=False).save(str(path))
    face = Signature((TensorSpec("x", (2, 3), "float32"),))
    done = apply("emit_ir", models.artifact("torchscript", path, signature=face))
    assert list(done.cosine) == ["first", "second", "given"]
    assert done.after == {"Relu": 1, "Convert": 2}


def test_two_inputs_and_two_outputs(apply, tmp_path):
    path = models.traced(models.TwoInputs, tmp_path / "source.pt")
    specs = TensorSpec("left", (2, 4), "float32"), TensorSpec("right", (2, 5), "float32")
    done = apply("emit_ir", models.artifact("torchscript", path, signature=Signature(specs)))
    assert list(done.cosine) == ["output_0", "output_1"]
    assert done.after["MatMul"] == 2


def test_loops_and_branches_that_openvino_reads_from_onnx(apply, tmp_path):
    """
    Given: a loop around a linear layer and a branch on the result's sum, scripted
    Result: Loop and If
    """
    path = models.scripted(models.LoopNet, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    source = models.artifact("torchscript", path, signature=face)
    graph = apply("export_onnx", source).artifact
    done = apply("emit_ir", graph)
    assert ir.summary(done.artifact).precision == {"fp32": 1}
    assert (done.after["Loop"], done.after["If"]) == (1, 1)


def test_loops_and_branches_straight_from_torchscript(apply, tmp_path):
    """
    Given: a for loop around a linear layer, a while loop and a branch, scripted
    Result: the for loop unrolled into three MatMul, a Loop, two If; the input is float32, which
    OpenVINO leaves open before a loop
    """
    import torch

    class Steps(models.LoopNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(3):
                x = torch.tanh(self.step(x))
            n = 0
            while bool(x.abs().max() < 4) and n < 9:
                x = x * 1.5
                n += 1
            return x * 2 if bool(x.sum() > 0) else x - 1

    path = models.scripted(Steps, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    done = apply("emit_ir", models.artifact("torchscript", path, signature=face), twice=True)
    assert (done.after["MatMul"], done.after["Loop"], done.after["If"]) == (3, 1, 2)
    assert ir.signature(done.artifact).inputs == face.inputs


def test_an_input_that_the_network_does_not_use_is_kept(apply, tmp_path):
    import torch

    class Deaf(torch.nn.Module):
        def forward(self, heard: torch.Tensor, unheard: torch.Tensor) -> torch.Tensor:
            return heard.tanh()

    path = tmp_path / "source.pt"
    torch.jit.trace(Deaf(), (torch.ones(2, 3), torch.ones(2, 3))).save(str(path))
    specs = TensorSpec("heard", (2, 3), "float32"), TensorSpec("unheard", (2, 3), "float32")
    source = models.artifact("torchscript", path, signature=Signature(specs))
    done = apply("emit_ir", source)
    assert [spec.name for spec in ir.signature(done.artifact).inputs] == ["heard", "unheard"]
