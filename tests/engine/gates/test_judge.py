"""What was not shown to hold is missed, and said."""

import pytest
import torch
from torch import nn

from optkit.catalogue import find_pass
from optkit.core.errors import Exit
from optkit.engine.gates import judge as gates
from optkit.engine.gates.figures import Figure
from optkit.recipe.gates import Bound


def gate(manifest, name):
    (row,) = [row for row in manifest["gates"] if row["name"] == name]
    return row


class Constant(nn.Module):
    def forward(self, x):
        return x * 0 + 3


class Shifted(nn.Module):
    def forward(self, x):
        return torch.tanh(x)


def traced(network, path):
    torch.jit.trace(network, torch.randn(2, 4)).save(str(path))
    return path


def test_a_constant_reference_proves_nothing(convert, tmp_path):
    result = convert(traced(Constant(), tmp_path / "constant.pt"), to="ir")
    assert result.exit_code is Exit.GATED
    assert result.manifest["status"] == "gated"
    row = gate(result.manifest, "outputs")
    assert (row["held"], row["value"]) == (
        False, "nothing verified: every output of the source is constant",
    )  # fmt: skip
    assert (tmp_path / "out" / "optkit.json").is_file()


def test_an_output_of_nan_is_missed(plugin, convert, onnx_model):
    plugin(
        "spoil",
        "nan = onnx.helper.make_tensor('nan', 1, [1], [float('nan')])\n"
        "model.graph.initializer.append(nan)\n"
        "model.graph.node[-1].output[0] = 'before'\n"
        "model.graph.node.append(onnx.helper.make_node('Add', ['before', 'nan'], ['output']))\n"
        "onnx.save(model, path)\nreturn Outcome(path)",
    )
    result = convert(onnx_model, passes=["spoil"])
    assert result.exit_code is Exit.GATED
    row = gate(result.manifest, "outputs")
    assert not row["held"]
    assert "output" in row["value"]
    assert not gate(result.manifest, "cosine")["held"]


def test_an_output_made_constant_is_missed(plugin, convert, onnx_model):
    plugin(
        "flatten_out",
        "zero = onnx.helper.make_tensor('zero', 1, [1], [0.0])\n"
        "model.graph.initializer.append(zero)\n"
        "model.graph.node[-1].output[0] = 'before'\n"
        "model.graph.node.append(onnx.helper.make_node('Mul', ['before', 'zero'], ['output']))\n"
        "onnx.save(model, path)\nreturn Outcome(path)",
    )
    result = convert(onnx_model, passes=["flatten_out"])
    assert not gate(result.manifest, "outputs")["held"]
    assert "constant" in gate(result.manifest, "outputs")["value"]


def test_a_quantization_that_quantizes_nothing_is_missed(convert, tmp_path):
    result = convert(traced(Shifted(), tmp_path / "tanh.pt"), to="ir", precision="int8")
    assert result.exit_code is Exit.GATED
    row = gate(result.manifest, "precision")
    assert (row["held"], row["value"]) == (False, 0)
    step = result.manifest["steps"][-1]
    assert (step["changed"], step["reason"]) == (False, "no operation that carries weights")


def test_a_result_equal_to_its_source_meets_any_sqnr(convert, onnx_model):
    """No noise at all is more than any bound, not a figure that is missing."""
    result = convert(onnx_model, passes=["simplify"], gates={"sqnr_db": {"min": 20}})
    assert result.manifest["validation"][0]["outputs"][0]["max_abs"] == 0
    assert gate(result.manifest, "sqnr_db")["held"]
    assert result.exit_code is Exit.OK


def test_a_figure_that_was_not_measured_is_missed(convert, onnx_model):
    result = convert(onnx_model, to="ir", gates={"accuracy_drop": {"max": 0.1}})
    row = gate(result.manifest, "accuracy_drop")
    assert (row["held"], row["value"]) == (False, None)
    assert result.exit_code is Exit.GATED


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_missed(bad):
    (cosine, row) = gates.judge({"max_abs": Bound(max=1)}, {"max_abs": [Figure(bad)]}, "fp32")
    assert not row["held"]
    assert not cosine["held"]


def test_a_bound_of_a_step_that_cannot_be_met_is_a_gate(convert, onnx_model):
    """The best that was found is kept, and the run ends as with any gate that is missed."""
    step = {"quantize_int8": {"effort": "fast", "min_sqnr_db": 500}}
    result = convert(onnx_model, passes=[step])
    row = gate(result.manifest, "quantize_int8.min_sqnr_db")
    assert (row["held"], row["bound"]) == (False, ">= 500")
    assert 10 < row["value"] < 500
    assert result.exit_code is Exit.GATED
    assert (result.folder / "model.onnx").is_file()


def test_a_bound_of_a_step_that_holds_is_told(convert, onnx_model):
    step = {"quantize_int8": {"effort": "fast", "min_sqnr_db": 10, "max_drop": 0.5}}
    result = convert(onnx_model, passes=[step])
    assert gate(result.manifest, "quantize_int8.min_sqnr_db")["held"]
    assert gate(result.manifest, "quantize_int8.max_drop")["held"]
    assert result.exit_code is Exit.OK


def test_a_pruned_network_has_a_bound_of_its_own_unless_the_recipe_sets_one():
    passes = [find_pass("prune"), find_pass("fuse_batchnorm")]
    bounds = {
        word: gates.judge({}, {"cosine": [Figure(0.92)]}, word, passes)[0]["bound"]
        for word in ("fp32", "int8")
    }
    assert bounds == {"fp32": ">= 0.9", "int8": ">= 0.9"}
    (row,) = gates.judge({"cosine": Bound(min=0.99)}, {"cosine": [Figure(0.92)]}, "fp32", passes)
    assert (row["bound"], row["held"]) == (">= 0.99", False)
    assert gates.judge({}, {}, "fp32", passes[1:])[0]["bound"] == ">= 0.9999"
