"""Several targets end in one table: each against the source and against each other."""

import models
import numpy as np
import onnxruntime
import openvino
import torch
from running import cached

from optkit.engine.parity import _matrix


def outputs(folder, images):
    """What three libraries make of three results, without optkit."""
    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    compiled = core.compile_model(folder / "model.xml", "CPU")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    script = torch.jit.load(folder / "model.pt")
    runs = {
        "model.xml": lambda image: compiled(image)[0],
        "model.onnx": lambda image: session.run(None, {session.get_inputs()[0].name: image})[0],
        "model.pt": lambda image: script(torch.from_numpy(image)).numpy(),
    }
    return {name: np.concatenate([run(image) for image in images]) for name, run in runs.items()}


def test_the_table_holds_what_the_libraries_say(convert, tmp_path):
    """
    Given:
        one network, BatchNorm folded, to three formats
    Result:
        the fold taken once; six pairs, whose figures are those that the libraries themselves give
    """
    path = models.traced(models.ConvNet, tmp_path / "net.pt")
    images = np.random.default_rng(3).standard_normal((6, 2, 3, 8, 8)).astype("float32")
    np.savez(tmp_path / "data.npz", image=images)
    data = {"validation": {"path": str(tmp_path / "data.npz")}}
    result = convert(path, to=["ir", "onnx", "torchscript"], passes=["fuse_batchnorm"], data=data)
    steps = [(row["pass"], row["cached"]) for row in result.manifest["steps"]]
    assert [known for name, known in steps if name == "fuse_batchnorm"] == [False, True, True]

    parity = result.manifest["parity"]
    names = [model["name"] for model in parity["models"]]
    assert names == ["source", "model.xml", "model.onnx", "model.pt"]
    assert (parity["samples"], parity["data"], len(parity["pairs"])) == (6, "given", 6)
    given = outputs(tmp_path / "out", images)
    network = models.build(models.ConvNet)
    with torch.no_grad():
        given["source"] = np.concatenate([network(torch.from_numpy(i)).numpy() for i in images])
    for row, first in enumerate(names):
        for column, second in enumerate(names):
            largest = float(np.abs(given[first] - given[second]).max())
            assert abs(parity["max_abs"][row][column] - largest) <= 1e-6
            assert parity["cosine"][row][column] > 0.99999
            assert parity["cosine"][row][column] == parity["cosine"][column][row]
    assert all(parity["cosine"][at][at] == 1.0 for at in range(4))

    again = convert(path, to=["ir", "onnx", "torchscript"], passes=["fuse_batchnorm"], data=data)
    assert all(cached(again))
    assert again.manifest["parity"] == parity


def test_one_that_differs_stands_out(convert, plugin, onnx_model):
    """A pass that scales a weight where it makes ONNX of IR's sibling: its row and column show."""
    name = plugin(
        "bend",
        """
import numpy as np
from onnx import numpy_helper
for one in model.graph.initializer:
    if one.name.endswith("classify.weight"):
        one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one) * np.float32(3), one.name))
onnx.save(model, path)
return Outcome(path)
""",
    )
    bent = convert(onnx_model, to=["onnx", "ir"], passes=[name], gates={"cosine": {"min": -1}})
    parity = bent.manifest["parity"]
    assert parity["cosine"][1][2] > 0.9999  # both from what was bent
    assert parity["max_abs"][1][2] < 1e-5
    assert parity["max_abs"][0][1] > 0.01
    assert parity["max_abs"][0][2] > 0.01


def test_a_single_target_has_no_table(convert, onnx_model):
    assert convert(onnx_model, to=["onnx"]).manifest["parity"] is None


def test_a_cell_holds_the_worst_output_and_none_where_nothing_is_proven():
    def row(cosine, problem=None, verdict="compared"):
        return {"cosine": cosine, "problem": problem, "verdict": verdict}

    models_ = [{"name": name} for name in "abc"]
    pairs = [
        {"reference": "a", "candidate": "b", "outputs": [row(0.9), row(0.8)]},
        {"reference": "a", "candidate": "c", "outputs": [row(0.9), row(None, "missing")]},
        {"reference": "b", "candidate": "c", "outputs": [row(0.9), row(1.0, None, "unverified")]},
    ]
    assert _matrix(models_, pairs, "cosine", min, 1.0) == [
        [1.0, 0.8, None], [0.8, 1.0, None], [None, None, 1.0],
    ]  # fmt: skip
