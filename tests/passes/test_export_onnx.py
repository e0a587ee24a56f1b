import models
import onnx
import pytest
import torch

from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.formats import onnx as format_

IMAGE = Signature((TensorSpec("image", (2, 3, 8, 8), "float32"),))
OPEN = Signature((TensorSpec("image", (Dim(), 3, 8, 8), "float32"),))
TOKENS = Signature((
    TensorSpec("input_ids", (Dim(), Dim(2, 64)), "int64"),
    TensorSpec("attention_mask", (Dim(), Dim(2, 64)), "int64"),
))  # fmt: skip


def traced(kind, tmp_path, signature):
    path = models.traced(kind, tmp_path / "source.pt")
    return models.artifact("torchscript", path, signature=signature)


def exported(tmp_path):
    path = models.exported(models.ConvNet, tmp_path / "source.pt2", dynamic_batch=True)
    return models.artifact("exported", path)


def opset(done):
    return onnx.load(done.artifact.path).opset_import[0].version


def symbols(done):
    graph = onnx.load(done.artifact.path).graph
    return {
        port.name: [dim.dim_param for dim in port.type.tensor_type.shape.dim]
        for port in (*graph.input, *graph.output)
    }


def test_torchscript(apply, tmp_path):
    """
    Given: conv → batch_norm → relu → mean → linear
    Result: Conv → Relu → ReduceMean → Gemm, BatchNorm folded, a fixed batch
    """
    done = apply("export_onnx", traced(models.ConvNet, tmp_path, IMAGE), twice=True)
    assert done.after == {"Conv": 1, "Relu": 1, "ReduceMean": 1, "Gemm": 1}
    assert format_.signature(done.artifact).inputs == IMAGE.inputs


def test_torchscript_as_it_is(apply, tmp_path):
    """
    Given: the same, option optimize: false
    Result: BatchNormalization is still there
    """
    done = apply("export_onnx", traced(models.ConvNet, tmp_path, IMAGE), optimize=False)
    assert done.after["BatchNormalization"] == 1


def test_exported_program(apply, tmp_path):
    """
    Given: an exported program with a dynamic batch, torch's symbol for it s7 or such
    Result: Conv → Relu → ReduceMean → Gemm; the dimension is called batch on both sides
    """
    done = apply("export_onnx", exported(tmp_path), twice=True)
    assert done.after == {"Conv": 1, "Relu": 1, "ReduceMean": 1, "Gemm": 1}
    assert symbols(done) == {"image": ["batch", "", "", ""], "output": ["batch", ""]}


def test_dynamic_dimensions_are_named(apply, tmp_path):
    """
    Given: token ids and mask (?, 2..64), traced
    Result: both inputs share the symbols batch and dim_1
    """
    done = apply("export_onnx", traced(models.TokenNet, tmp_path, TOKENS))
    assert symbols(done)["input_ids"] == symbols(done)["attention_mask"] == ["batch", "dim_1"]
    assert symbols(done)["output"] == ["batch", ""]
    assert format_.index_bounds(done.artifact) == {"input_ids": 11}


@pytest.mark.parametrize("version", [13, 17, 20])
def test_opset_from_torchscript(apply, tmp_path, version):
    assert opset(apply("export_onnx", traced(models.ConvNet, tmp_path, OPEN), opset=version)) == (
        version
    )


@pytest.mark.parametrize("version", [18, 25])
def test_opset_from_an_exported_program(apply, tmp_path, version):
    assert opset(apply("export_onnx", exported(tmp_path), opset=version)) == version


def test_an_opset_that_is_too_new_for_torchscript_is_refused(apply, tmp_path):
    with pytest.raises(OptkitError, match="opset 20 at most, not 21"):
        apply("export_onnx", traced(models.ConvNet, tmp_path, IMAGE), opset=21)


def test_an_opset_that_cannot_be_converted_down_to_is_refused(apply, tmp_path):
    with pytest.raises(OptkitError, match="opset 18, which could not be converted down") as caught:
        apply("export_onnx", exported(tmp_path), opset=13)
    assert "opset: 18" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (models.DictNet, ["logits", "features"]),
        (models.NestedNet, ["output_0", "output_1_0", "output_1_1"]),
    ],
)
def test_dicts_and_nested_tuples_become_outputs_of_their_own(apply, tmp_path, kind, names):
    """
    Given: a traced network that returns a dict, or a tuple with a tuple in it
    Result: outputs by the keys and places they had
    """
    done = apply("export_onnx", traced(kind, tmp_path, IMAGE))
    assert list(done.cosine) == names
    assert done.after["Conv"] == 1


def test_loops_and_branches(apply, tmp_path):
    """
    Given: a loop around a linear layer and a branch on the result's sum, scripted
    Result: Loop with one Gemm, and If
    """
    path = models.scripted(models.LoopNet, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (Dim(), 4), "float32"),))
    done = apply("export_onnx", models.artifact("torchscript", path, signature=face), twice=True)
    assert (done.after["Loop"], done.after["Gemm"], done.after["If"]) == (1, 1, 1)
    assert format_.summary(done.artifact).precision == {"fp32": 1}


@pytest.mark.parametrize("from_", ["torchscript", "exported"])
def test_no_trace_of_this_machine(apply, tmp_path, from_):
    """
    Given: nodes that remember the stack at which they were made
    Result: no path of this machine in the file
    """
    source = exported(tmp_path) if from_ == "exported" else traced(models.ConvNet, tmp_path, IMAGE)
    content = apply("export_onnx", source).artifact.path.read_bytes()
    assert b"models.py" not in content
    assert b"site-packages" not in content


def test_weights_of_a_frozen_network(apply, tmp_path):
    """
    Given: weights as constants inside the graph, as freezing leaves them
    Result: initializers, where every later pass looks for weights
    """
    network = torch.jit.trace(models.ConvNet().eval(), torch.ones(2, 3, 8, 8))
    path = tmp_path / "frozen.pt"
    torch.jit.freeze(network.eval()).save(str(path))
    source = models.artifact("torchscript", path, signature=IMAGE)
    graph = onnx.load(apply("export_onnx", source).artifact.path).graph
    assert not [node for node in graph.node if node.op_type == "Constant"]
    assert {(4, 3, 3, 3), (4,)} <= {tuple(tensor.dims) for tensor in graph.initializer}
