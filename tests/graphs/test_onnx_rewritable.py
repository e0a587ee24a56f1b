"""What rewritings are given: one form, or a refusal in words."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from optkit.core.errors import Exit, OptkitError
from optkit.graphs.onnx_rewritable import OLDEST_OPSET, opset_of, refuse_newer, rewritable


def model(nodes, x, y, *, opset, ir_version=8, **kept):
    """One float input of shape `x`, one float output of shape `y`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def run(made, x):
    return ReferenceEvaluator(made).run(None, {"x": x})[0]


def test_an_old_model_is_raised_and_computes_the_same():
    """
    Given: opset 9, Unsqueeze with its axes as an attribute
    Result: opset 13, where they are an input
    """
    old = model([helper.make_node("Unsqueeze", ["x"], ["y"], axes=[0])], [3], [1, 3], opset=9)
    made = rewritable(old, "m")
    onnx.checker.check_model(made)
    assert opset_of(made) == OLDEST_OPSET
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(run(made, x), x[None])


def test_a_recent_model_keeps_its_opset():
    made = rewritable(model([helper.make_node("Relu", ["x"], ["y"])], [3], [3], opset=17), "m")
    assert opset_of(made) == 17


def test_slopes_that_broadcast_otherwise_are_refused():
    """
    Given: PRelu of opset 6, one slope per channel, on as many columns as channels
    Result: refused; read as opset 13 it would give other values in silence
    """
    old = model([helper.make_node("PRelu", ["x", "s"], ["y"])], [1, 2, 2], [1, 2, 2], opset=6,
                s=np.array([0.5, 2], np.float32))  # fmt: skip
    with pytest.raises(OptkitError, match="PRelu") as caught:
        rewritable(old, "m")
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "opset 13" in caught.value.hint


def test_a_scan_over_batches_is_refused():
    """
    Given: Scan of opset 8, which takes a batch dimension first
    Result: refused; raised to opset 13, inputs and outputs would lose that dimension
    """
    text = """<ir_version: 8, opset_import: ["": 8]>
        g (float[1, 2] x, float[1, 3, 2] v) => (float[1, 2] y, float[1, 3, 2] z) {
            y, z = Scan ("", x, v) <num_scan_inputs: int = 1, body: graph =
                b (float[2] s, float[2] n) => (float[2] t, float[2] o) {
                    t = Add(s, n) o = Identity(t) }>
        }"""
    with pytest.raises(OptkitError, match="Scan"):
        rewritable(onnx.parser.parse_model(text), "m")


@pytest.mark.parametrize(("opset", "ir_version", "word"), [(999, 8, "opset"), (21, 999, "IR")])
def test_a_model_from_the_future_is_refused(opset, ir_version, word):
    new = model([helper.make_node("Relu", ["x"], ["y"])], [3], [3], opset=opset,
                ir_version=ir_version)  # fmt: skip
    with pytest.raises(OptkitError, match=f"{word}.*999") as caught:
        refuse_newer(new, "m")
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "pip install" in caught.value.hint


def test_functions_are_inlined_everywhere():
    """
    Given: a function called in the graph, and from the branches of an If
    Result: its nodes in their places
    """
    text = """
        <ir_version: 10, opset_import: ["": 21, "own": 1]>
        g (bool c, float[3] x) => (float[3] y) {
            h = own.twice (x)
            y = If (c) <
                then_branch = t () => (float[3] a) { a = own.twice (h) },
                else_branch = e () => (float[3] b) { b = Neg (h) }
            > }
        <domain: "own", opset_import: ["": 21]> twice (v) => (w) { w = Add (v, v) }"""
    given = onnx.parser.parse_model(text)
    made = rewritable(given, "m")
    onnx.checker.check_model(made, full_check=True)
    assert not made.functions
    feeds = {"c": np.array(True), "x": np.arange(3, dtype=np.float32)}
    want, have = (ReferenceEvaluator(one).run(None, feeds)[0] for one in (given, made))
    np.testing.assert_array_equal(have, want)
    assert want[2] == 8


@pytest.mark.parametrize("linear", [True, False])
def test_sparse_weights_are_written_out(linear):
    """
    Given: a sparse initializer of shape (2, 3) with two values; linear or coordinate indices
    Result: a plain one with zeros elsewhere
    """
    given = model([helper.make_node("MatMul", ["x", "w"], ["y"])], [1, 2], [1, 3], opset=17)
    values = numpy_helper.from_array(np.array([5, 7], np.float32), "w")
    places = [1, 5] if linear else [[0, 1], [1, 2]]
    indices = numpy_helper.from_array(np.array(places, np.int64))
    given.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 3]))
    onnx.checker.check_model(given)
    made = rewritable(given, "m")
    onnx.checker.check_model(made)
    np.testing.assert_array_equal(run(made, np.array([[1, 10]], np.float32)), [[0, 5, 70]])


def test_a_sparse_constant_is_written_out():
    values = numpy_helper.from_array(np.array([5], np.float32))
    indices = numpy_helper.from_array(np.array([2], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["w"],
                         sparse_value=helper.make_sparse_tensor(values, indices, [3])),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]  # fmt: skip
    made = rewritable(model(nodes, [3], [3], opset=17), "m")
    onnx.checker.check_model(made)
    np.testing.assert_array_equal(run(made, np.ones(3, np.float32)), [1, 1, 6])
