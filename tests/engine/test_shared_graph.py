"""Graph passes in a row rewrite one graph: read once, written once, told apart in the manifest."""

import graphs_by_hand
import numpy as np
import onnx
import pytest
from onnx import helper
from running import cached, content

from optkit.core.errors import OptkitError
from optkit.core.store import Store
from optkit.formats import onnx as format_

ROW = ["optimize_strides", "fuse_batchnorm", "fuse_scale_shift", "fuse_linear"]


@pytest.fixture
def model(tmp_path):
    """Conv → BatchNorm → Mul → Add → Relu: something for two passes of four."""
    random = np.random.default_rng(0)
    channel = {name: random.uniform(0.5, 1.5, 4).astype("f4") for name in ("g", "b", "m", "v")}
    constants = {
        "w": random.normal(size=(4, 3, 3, 3)).astype("f4"),
        **channel,
        "s": random.uniform(0.5, 1.5, (4, 1, 1)).astype("f4"),
        "t": random.normal(size=(4, 1, 1)).astype("f4"),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Conv", ["r", "u"], ["d"]),
        helper.make_node("Mul", ["d", "s"], ["e"]),
        helper.make_node("Add", ["e", "t"], ["y"]),
    ]
    constants["u"] = random.normal(size=(4, 4, 1, 1)).astype("f4")
    shapes = {"x": (1, 3, 8, 8)}, {"y": (1, 4, 6, 6)}
    path = tmp_path / "model.onnx"
    onnx.save(graphs_by_hand.graph(nodes, *shapes, constants), path)
    return path


@pytest.fixture
def traffic(monkeypatch):
    """What is read and written of graphs, in order."""
    seen = []
    for name in ("read_graph", "write_graph"):
        real = getattr(format_, name)

        def told(*given, real=real, name=name):
            seen.append(name)
            return real(*given)

        monkeypatch.setattr(format_, name, told)
    return seen


def test_one_read_and_one_write(convert, model, traffic, store):
    """
    Given: Conv → BatchNorm → Relu → Conv → Mul → Add; four passes in a row, two with work to do
    Result: Conv → Relu → Conv, read and written once and kept once
    """
    first = convert(model, passes=ROW)
    assert traffic == ["read_graph", "write_graph"]
    assert sum("steps" in record for _, record, _ in Store(store).records()) == 1
    steps = first.manifest["steps"]
    assert [step["pass"] for step in steps] == ROW
    assert [step["changed"] for step in steps] == [False, True, True, False]
    assert [bool(step["reason"]) for step in steps] == [True, False, False, True]
    digests = [step["artifact"]["sha256"] for step in steps]
    assert digests[0] == first.manifest["model"]["sha256"]
    assert digests[1:] == [first.manifest["artifacts"][0]["sha256"]] * 3
    made = onnx.load(first.folder / "model.onnx")
    assert [node.op_type for node in made.graph.node] == ["Conv", "Relu", "Conv"]

    again = convert(model, passes=ROW)
    assert cached(again) == [True] * 4
    assert [step["changed"] for step in again.manifest["steps"]] == [False, True, True, False]
    assert content(again.folder) == content(first.folder)


def test_together_they_make_what_they_make_one_by_one(convert, model, tmp_path):
    together = convert(model, passes=ROW, output=tmp_path / "together")
    path = model
    for name in ROW:
        alone = convert(path, passes=[name], output=tmp_path / name)
        path = alone.folder / "model.onnx"
    assert content(together.folder) == content(alone.folder)


def test_a_failure_among_them_is_told_by_name_and_the_rest_kept(plugin, convert, model, traffic):
    plugin(
        "stumbles",
        "def stumble(graph):\n    raise ValueError('no good')\n"
        "return context.edit(artifact, stumble)",
        more=', edits=("onnx",)',
    )
    with pytest.raises(OptkitError, match="step 'stumbles' failed: no good") as caught:
        convert(model, passes=["fuse_batchnorm", "stumbles", "fuse_scale_shift"])
    done = caught.value.manifest["steps"]
    assert [(step["pass"], step["changed"]) for step in done] == [("fuse_batchnorm", True)]
    assert cached(convert(model, passes=["fuse_batchnorm"])) == [True]


def test_a_breach_among_them_is_told_by_name(plugin, convert, model):
    plugin(
        "renames",
        "from optkit.core.contract import Edit\n"
        "def rename(graph):\n"
        "    graph.graph.outputs[0].name = 'other'\n"
        "    return Edit(1)\n"
        "return context.edit(artifact, rename)",
        more=', edits=("onnx",)',
    )
    with pytest.raises(OptkitError, match=r"step 'renames' failed: the pass changed the outputs"):
        convert(model, passes=["fuse_batchnorm", "renames", "fuse_scale_shift"])


def test_a_new_graph_takes_the_place_of_the_old(plugin, convert, model):
    plugin(
        "remakes",
        "import onnx_ir\n"
        "from optkit.core.contract import Edit\n"
        "def remake(graph):\n"
        "    return Edit(1, graph=onnx_ir.from_proto(onnx_ir.to_proto(graph)))\n"
        "return context.edit(artifact, remake)",
        more=', edits=("onnx",)',
    )
    result = convert(model, passes=["fuse_batchnorm", "remakes", "fuse_scale_shift"])
    made = onnx.load(result.folder / "model.onnx")
    assert [node.op_type for node in made.graph.node] == ["Conv", "Relu", "Conv"]
    assert [step["changed"] for step in result.manifest["steps"]] == [True] * 3


def test_a_step_that_lowers_the_precision_stands_by_itself(convert, model):
    """The FP32 baseline shares the stage before it."""
    result = convert(model, passes=["fuse_batchnorm", "fuse_scale_shift", "convert_fp16"])
    assert result.manifest["artifacts"][0]["size_ratio"] < 1
    assert cached(convert(model, passes=["fuse_batchnorm", "fuse_scale_shift"])) == [True, True]
