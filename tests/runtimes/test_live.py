"""Live models over many samples: in order, whatever finishes first; few are held at once."""

import numpy as np
import onnx
import openvino
import pytest
from openvino import opset13

SAMPLES = 40


def in_openvino():
    from optkit.runtimes.openvino.live import stream

    given = opset13.parameter([-1, 4], np.float32, name="x")
    model = openvino.Model([opset13.result(opset13.multiply(given, given))], [given], "square")
    model.inputs[0].set_names({"x"})
    return stream, model


def in_onnxruntime():
    from optkit.runtimes.onnxruntime.live import stream

    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", ["x", "x"], ["y"])], "square",
        [value("x", onnx.TensorProto.FLOAT, ["n", 4])],
        [value("y", onnx.TensorProto.FLOAT, ["n", 4])],
    )  # fmt: skip
    opset = onnx.helper.make_opsetid("", 17)
    return stream, onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)


@pytest.mark.parametrize("make", [in_openvino, in_onnxruntime])
def test_every_sample_once_and_in_order(make):
    stream, model = make()
    read, seen = [], []

    def samples():
        for at in range(SAMPLES):
            read.append(at)
            yield {"x": np.full((1 + at % 3, 4), at, "float32")}

    def visit(index, outputs):
        seen.append((index, outputs[0].shape, float(outputs[0][0, 0])))
        assert len(read) - len(seen) <= 16, "samples are read long before they are run"

    stream(model, samples(), visit)
    assert seen == [(at, (1 + at % 3, 4), float(at * at)) for at in range(SAMPLES)]


@pytest.mark.parametrize("make", [in_openvino, in_onnxruntime])
def test_a_failure_in_a_visit_ends_the_run(make):
    stream, model = make()

    def visit(index, outputs):
        raise RuntimeError(f"at {index}")

    with pytest.raises(RuntimeError, match="at 0"):
        stream(model, ({"x": np.zeros((1, 4), "float32")} for _ in range(9)), visit)
