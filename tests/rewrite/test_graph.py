"""Questions about values, and what rewritings do with weights of odd kinds or places."""

import ml_dtypes
import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from optkit.formats import onnx as format_
from optkit.rewrite import batchnorm, grouped_conv, matrix_product_fusion, scale_shift, strides
from optkit.rewrite.graph import constant

REWRITINGS = pytest.mark.parametrize(
    "rewrite",
    [batchnorm.fuse, scale_shift.fuse, matrix_product_fusion.fuse, grouped_conv.fuse,
     strides.move_strides],
    ids=["batchnorm", "scale_shift", "linear", "grouped_conv", "strides"],
)  # fmt: skip


def parsed(text, **held):
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    tensors = [numpy_helper.from_array(array, name) for name, array in held.items()]
    model.graph.initializer.extend(tensors)
    onnx.checker.check_model(model, full_check=True)
    return model


def after(model, rewrite, tmp_path):
    graph = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model))
    edit = rewrite(graph)
    format_.write_graph(graph, tmp_path / "made.onnx")
    return edit, onnx.load(tmp_path / "made.onnx")


def outputs(model, **feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def held_by(node):
    model = onnx_ir.from_proto(
        helper.make_model(
            helper.make_graph(
                [node], "g", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)]
            )
        )
    )
    return constant(model.graph.outputs[0])


@pytest.mark.parametrize(
    ("facts", "want"),
    [
        ({"value_float": 2.0}, 2),
        ({"value_ints": [1, 2]}, [1, 2]),
        ({"value": numpy_helper.from_array(np.ones(3, np.float32))}, [1, 1, 1]),
        ({"value_string": "a"}, None),
        ({"value_strings": ["a", "b"]}, None),
    ],
)
def test_what_a_constant_node_holds(facts, want):
    found = held_by(helper.make_node("Constant", [], ["c"], **facts))
    if want is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, want)


def test_what_can_be_fed_is_no_constant(tmp_path):
    """
    Given: Mul → Mul by an initializer that is an input too
    Result: left alone; feeding it still counts
    """
    text = "g (float[2] x, float w) => (float[2] y) { m = Mul(x, w) y = Mul(m, w) }"
    model = parsed(text, w=np.float32(2))
    edit, made = after(model, scale_shift.fuse, tmp_path)
    assert not edit.changed
    x = np.ones(2, np.float32)
    np.testing.assert_array_equal(outputs(made, x=x, w=np.float32(3))[0], [9, 9])


@REWRITINGS
def test_a_weight_shared_across_subgraphs_keeps_its_other_readers(rewrite, tmp_path):
    """
    Given: one weight and one bias read in the graph and in both branches, each to be folded
    Result: whatever is folded where, both branches give what they gave
    """
    text = """g (bool c, float[2, 4] x) => (float[2, 4] y, float[2, 4] z) {
        p = MatMul(x, w) q = Add(p, b) z = Mul(q, s)
        y = If (c) <
            then_branch = t () => (float[2, 4] k) { d = MatMul(x, w) k = Mul(d, s) },
            else_branch = e () => (float[2, 4] l) {
                m = MatMul(x, w) n = Add(m, b) o = MatMul(n, w) l = Add(o, s) }
        > }"""
    draw = np.random.default_rng(0)
    weight, bias, scale = (draw.normal(size=size).astype("f4") for size in ((4, 4), 4, 4))
    model = parsed(text, w=weight, b=bias, s=scale)
    edit, made = after(model, rewrite, tmp_path)
    assert edit.changed or rewrite not in {scale_shift.fuse, matrix_product_fusion.fuse}
    x = draw.normal(size=(2, 4)).astype("f4")
    for c in (True, False):
        want, have = (outputs(one, c=np.array(c), x=x) for one in (model, made))
        for a, b in zip(want, have, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


@REWRITINGS
def test_bfloat16_is_folded_within_its_rounding(rewrite, tmp_path):
    """
    Given: MatMul → Mul → Mul, all bfloat16
    Result: outputs within the rounding of the narrow type
    """
    text = """g (float[1, 3] x) => (float[1, 3] y) {
        n = CastLike(x, s) p = MatMul(n, w) q = Mul(p, s) r = Mul(q, s) y = Cast<to=1>(r) }"""
    draw = np.random.default_rng(0)
    weight = draw.normal(size=(3, 3)).astype(ml_dtypes.bfloat16)
    model = parsed(text, w=weight, s=np.asarray([0.5, 3, 1]).astype(ml_dtypes.bfloat16))
    edit, made = after(model, rewrite, tmp_path)
    assert edit.changed == (rewrite is scale_shift.fuse)
    x = draw.normal(size=(1, 3)).astype("f4")
    want, have = (outputs(one, x=x)[0] for one in (model, made))
    assert np.abs(have - want).max() <= 2**-6 * np.abs(want).max()
