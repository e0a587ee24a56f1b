"""Which step of a run brought the loss, and which tensor: with a pass that breaks a layer."""

import json

import models
import numpy as np
import pytest
from running import left_in_staging

from optkit.api import request
from optkit.core.errors import Exit, OptkitError
from optkit.core.events import silent
from optkit.engine.blame import Asked, blame_model
from optkit.engine.blame_run import blame_run, is_run
from optkit.engine.workplace import DEFAULT

BREAKS = """
from onnx import numpy_helper
weight = next(one for one in model.graph.initializer if one.name == "classify.weight")
values = numpy_helper.to_array(weight)
weight.CopyFrom(numpy_helper.from_array((values[::-1] * 2).copy(), weight.name))
onnx.save(model, path)
return Outcome(path)
"""
HARMLESS = """
model.producer_name = "somebody"
onnx.save(model, path)
return Outcome(path)
"""


def blamed(reference, path, **more):
    return blame_run(reference, path, None, Asked(**more), DEFAULT, silent)


@pytest.fixture
def broken_run(plugin, convert, onnx_model):
    """A run of four passes, the third of which breaks the last layer."""
    plugin("harmless", HARMLESS)
    plugin("breaks", BREAKS)
    passes = ["harmless", "breaks", "emit_ir"]
    done = convert(onnx_model, to="ir", passes=passes, gates={"cosine": {"min": -1}})
    assert done.folder.is_dir()
    return done.folder


def test_the_pass_that_breaks_a_layer_is_named(broken_run, onnx_model, store):
    found = blamed(onnx_model, broken_run)
    worst = max(found["steps"], key=lambda row: row["added"])
    assert [row["pass"] for row in found["steps"]] == ["harmless", "breaks", "emit_ir"]
    assert worst["pass"] == "breaks"
    assert worst["cosine"] < 0.9
    assert found["steps"][0]["noise"] == 0
    assert found["first"]["layer"] == "classify"
    assert found["first"]["inputs_sqnr_db"] > 90
    assert "step breaks brings most of the loss" in found["verdict"]
    json.dumps(found, allow_nan=False)
    assert left_in_staging(store) == []


def test_one_of_several_passes_on_one_graph(plugin, convert, onnx_model):
    """
    Given: graph passes in a row, which share one read and one write, the second of which breaks
    Result: that one is named: they are taken apart
    """
    declared = TRANSFORM_EDITS
    plugin("plain_edit", EDIT.format(factor="1"), declared=declared)
    plugin("bad_edit", EDIT.format(factor="-2"), declared=declared)
    passes = ["plain_edit", "bad_edit"]
    done = convert(onnx_model, to="onnx", passes=passes, gates={"cosine": {"min": -1}})
    found = blamed(onnx_model, done.folder)
    assert [(row["pass"], row["added"] > 0.1) for row in found["steps"]] == [
        ("plain_edit", False), ("bad_edit", True),
    ]  # fmt: skip


TRANSFORM_EDITS = 'transform(Options, takes=("onnx",), needs=("onnx",), edits=("onnx",))'
EDIT = """
from optkit.core.contract import Edit
import onnx_ir
def rewrite(graph):
    weight = graph.graph.initializers["classify.weight"]
    weight.const_value = onnx_ir.tensor(weight.const_value.numpy() * {factor}, name=weight.name)
    return Edit(1)
return context.edit(artifact, rewrite)
"""


def test_a_run_from_another_model_is_refused(broken_run, tmp_path):
    other = models.onnx_file(models.DictNet, tmp_path / "other.onnx")
    with pytest.raises(OptkitError, match="was not made from") as caught:
        blamed(other, broken_run)
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_models_without_a_common_tensor(tmp_path):
    """Said so, and their outputs alone are compared."""
    import torch

    class One(torch.nn.Module):
        def forward(self, x):
            return (x @ torch.arange(12.0).reshape(4, 3)).argmax(1)

    class Two(torch.nn.Module):
        def forward(self, x):
            return (x[:, :2] @ torch.arange(10.0).reshape(2, 5)).argmax(1)

    paths = []
    for network in (One(), Two()):
        paths.append(tmp_path / f"{type(network).__name__}.pt")
        torch.jit.trace(network, torch.randn(8, 4)).save(str(paths[-1]))
    found = blame_model(request(paths[0]), paths[1], Asked(), DEFAULT, silent)
    assert found["matched"] == 0
    assert "no tensor in common" in found["verdict"]
    assert len(found["outputs"]) == 1


def test_other_inputs_are_refused(onnx_model, tmp_path):
    other = models.onnx_file(models.TwoInputs, tmp_path / "two.onnx")
    with pytest.raises(OptkitError, match=r"takes .left, right., the reference .image."):
        blame_model(request(onnx_model), other, Asked(), DEFAULT, silent)


def test_given_samples_and_their_number(onnx_model, tmp_path):
    images = np.random.default_rng(0).standard_normal((12, *models.IMAGE[1:])).astype("f4")
    np.save(tmp_path / "images.npy", images)
    loaded = request(onnx_model, data=str(tmp_path / "images.npy"), calibrates=False)
    found = blame_model(loaded, onnx_model, Asked(samples=3), DEFAULT, silent)
    assert (found["samples"], found["data"]) == (3, "given")
    assert found["first"] is None
    assert "all agree" in found["verdict"]
    with pytest.raises(OptkitError, match="0 samples show nothing"):
        Asked(samples=0)


def test_what_is_a_run(tmp_path, onnx_model):
    assert is_run(tmp_path / "recipe.yaml")
    assert not is_run(onnx_model)
    assert not is_run(tmp_path)
