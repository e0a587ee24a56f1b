import graphs_by_hand as by_hand
import models
import numpy as np
import onnx
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from optkit.rewrite import matrix_product_fusion

NODE = helper.make_node
RANDOM = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def model_of(nodes, x, outputs, constants, **options):
    return by_hand.graph(
        nodes, {"x": x}, {name: (None,) * len(x) for name in outputs}, constants, **options
    )


def biased(x=(3, 4), bias=(5,), dtype=np.float32, **options):
    """MatMul → Add → Relu on x."""
    nodes = [
        NODE("MatMul", ["x", "w"], ["p"]),
        NODE("Add", ["p", "b"], ["y"]),
        NODE("Relu", ["y"], ["output"]),
    ]
    constants = {"w": normal(4, 5, dtype=dtype), "b": normal(*bias, dtype=dtype)}
    return model_of(nodes, x, ["output"], constants, dtype=dtype, **options)


def in_a_row(widths, x=(3, 6), biases=True, outputs=("output",), kind="Gemm", extra=()):
    """Products of the widths given, one after the other, without an activation."""
    nodes, constants, value = [], {}, "x"
    for i, (inputs, made) in enumerate(zip((x[-1], *widths), widths, strict=False)):
        last = "output" if i == len(widths) - 1 else f"y{i}"
        constants[f"w{i}"] = normal(inputs, made)
        if biases:
            constants[f"b{i}"] = normal(made)
        if kind == "Gemm":
            held = [f"w{i}", f"b{i}"] if biases else [f"w{i}"]
            nodes.append(NODE("Gemm", [value, *held], [last]))
        else:
            nodes.append(NODE("MatMul", [value, f"w{i}"], [f"p{i}" if biases else last]))
            if biases:
                nodes.append(NODE("Add", [f"b{i}", f"p{i}"], [last]))
        value = last
    return model_of([*nodes, *extra], x, outputs, constants)


def side_by_side(widths, x=(2, 3, 4), biases="all", **options):
    """MatMul → Add on one input, once for each width, a Tanh after each."""
    nodes, constants = [], {}
    for i, made in enumerate(widths):
        with_bias = biases == "all" or (biases == "some" and i % 2)
        constants[f"w{i}"] = normal(x[-1], made)
        nodes.append(NODE("MatMul", ["x", f"w{i}"], [f"p{i}" if with_bias else f"y{i}"]))
        if with_bias:
            constants[f"b{i}"] = normal(made)
            nodes.append(NODE("Add", [f"p{i}", f"b{i}"], [f"y{i}"]))
        nodes.append(NODE("Tanh", [f"y{i}"], [f"z{i}"]))
    return model_of(nodes, x, [f"z{i}" for i in range(len(widths))], constants, **options)


def rewrite(model, tmp_path, *, join=False):
    return by_hand.rewritten(
        model, lambda graph: matrix_product_fusion.fuse(graph, join=join), tmp_path
    )


def counts(model):
    return [node.op_type for node in model.graph.node]


def feeds(model, seed=0):
    port = model.graph.input[0]
    shape = [dim.dim_value or 3 for dim in port.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
    return {port.name: np.random.default_rng(seed).standard_normal(shape).astype(dtype)}


def assert_settled(model, *, join=False):
    graph = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model))
    assert matrix_product_fusion.fuse(graph, join=join).changed == 0


def applied(apply, model, tmp_path, **options):
    given = models.artifact("onnx", by_hand.written(model, tmp_path))
    done = apply("fuse_linear", given, twice=True, **options)
    after = onnx.load(done.artifact.path)
    by_hand.assert_same(model, after, feeds(model))
    assert_settled(after, **options)
    return done, after


@pytest.mark.parametrize("opset", [13, 20, 23])
@pytest.mark.parametrize("bias", [(5,), (1, 5), (1,), ()])
def test_matmul_and_add(apply, tmp_path, bias, opset):
    """
    Given: MatMul → Add → Relu on (3, 4)
    Result: Gemm → Relu
    """
    done, _ = applied(apply, biased(bias=bias, opset=opset), tmp_path)
    assert done.before == {"MatMul": 1, "Add": 1, "Relu": 1}
    assert done.after == {"Gemm": 1, "Relu": 1}


def test_a_transposed_weight(apply, tmp_path):
    """
    Given: Transpose of a constant → MatMul → Add
    Result: Gemm with transB
    """
    nodes = [
        NODE("Transpose", ["w"], ["t"], perm=[1, 0]),
        NODE("MatMul", ["x", "t"], ["p"]),
        NODE("Add", ["p", "b"], ["output"]),
    ]
    model = model_of(nodes, (3, 4), ["output"], {"w": normal(5, 4), "b": normal(5)})
    done, after = applied(apply, model, tmp_path)
    assert done.after == {"Gemm": 1}
    assert helper.get_node_attr_value(after.graph.node[0], "transB") == 1


def test_a_gemm_takes_in_what_is_added_after_it(tmp_path):
    """
    Given: Gemm(alpha, beta, transA, transB) → Add → Add
    Result: Gemm
    """
    nodes = [
        NODE("Gemm", ["x", "w", "b"], ["p"], alpha=0.5, beta=3.0, transA=1, transB=1),
        NODE("Add", ["p", "c"], ["q"]),
        NODE("Add", ["d", "q"], ["output"]),
    ]
    held = {"w": normal(5, 4), "b": normal(1, 5), "c": normal(1), "d": normal(5)}
    model = model_of(nodes, (4, 3), ["output"], held)
    after, _ = rewrite(model, tmp_path)
    assert counts(after) == ["Gemm"]
    by_hand.assert_same(model, after, feeds(model))
    assert_settled(after)


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
@pytest.mark.parametrize("biases", [True, False])
def test_products_in_a_row(apply, tmp_path, kind, biases):
    """
    Given: 3 products, to 8, to 9, to 4 columns, with biases or without
    Result: one product
    """
    done, _ = applied(apply, in_a_row((8, 9, 4), kind=kind, biases=biases), tmp_path)
    assert sum(done.before.values()) == (6 if kind == "MatMul" and biases else 3)
    assert done.after == {"Gemm" if biases else "MatMul": 1}
    assert done.outcome.details["merged"] == 2


def test_products_in_a_row_on_three_dimensions(apply, tmp_path):
    """
    Given: MatMul → Add → MatMul → Add on (2, 3, 6)
    Result: MatMul → Add
    """
    done, _ = applied(apply, in_a_row((8, 4), x=(2, 3, 6), kind="MatMul"), tmp_path)
    assert done.after == {"MatMul": 1, "Add": 1}


def test_a_factorised_product_stays(tmp_path):
    """Two thin products in a row cost less than the one they make."""
    model = in_a_row((2, 6))
    after, edit = rewrite(model, tmp_path)
    assert counts(after) == ["Gemm", "Gemm"]
    reason = "merging two products in a row would cost more FLOPs"
    assert (edit.changed, dict(edit.left)) == (0, {reason: 1})


@pytest.mark.parametrize("biases", ["all", "some", "none"])
def test_query_key_and_value(apply, tmp_path, biases):
    """
    Given: 3 MatMul → Add on one input of (2, 3, 4)
    Result: MatMul → Add → Split
    """
    done, _ = applied(apply, side_by_side((4, 4, 6), biases=biases), tmp_path, join=True)
    bias = {} if biases == "none" else {"Add": 1}
    assert done.after == {"MatMul": 1, **bias, "Split": 1, "Tanh": 3}
    assert done.outcome.details["joined"] == 1


def test_joined_behind_one_product_they_merge_with_it(tmp_path):
    """
    Given: a product whose result three others read
    Result: they join, and the one before merges with what they became
    """
    nodes = [NODE("Gemm", ["x", "w"], ["h"])]
    nodes += [NODE("Gemm", ["h", f"w{i}"], [f"y{i}"]) for i in range(3)]
    held = {"w": normal(2, 9), **{f"w{i}": normal(9, 2) for i in range(3)}}
    model = model_of(nodes, (3, 2), ["y0", "y1", "y2"], held)
    after, _ = rewrite(model, tmp_path, join=True)
    assert counts(after) == ["MatMul", "Split"]
    by_hand.assert_same(model, after, feeds(model))
    assert_settled(after, join=True)


def test_products_on_one_input_stay_apart_unless_asked(tmp_path):
    model = side_by_side((4, 4, 4), biases="none")
    after, edit = rewrite(model, tmp_path)
    assert counts(after) == counts(model)
    reason = "products on one input stay apart without `join: true`"
    assert (edit.changed, dict(edit.left)) == (0, {reason: 1})


def test_a_weight_shared_with_others_is_not_stored_twice(tmp_path):
    """
    Given: three products on one input, the weight of one read by another node too
    Result: as they were
    """
    model = side_by_side((4, 4, 4), x=(3, 4))
    model.graph.node.append(NODE("Neg", ["w1"], ["other"]))
    model.graph.output.append(helper.make_tensor_value_info("other", 1, (4, 4)))
    after, edit = rewrite(model, tmp_path, join=True)
    assert counts(after).count("Gemm") == 3
    assert "a weight of products on one input is shared, and would be stored twice" in edit.left
    by_hand.assert_same(model, after, feeds(model))


def test_a_shared_weight_of_a_merge_stays_as_it_is(tmp_path):
    model = in_a_row((8, 4), extra=[NODE("Neg", ["w0"], ["other"])], outputs=("output", "other"))
    model.graph.output[1].CopyFrom(helper.make_tensor_value_info("other", 1, (6, 8)))
    after, edit = rewrite(model, tmp_path)
    assert edit.details["merged"] == 1
    assert sorted(counts(after)) == ["Gemm", "Neg"]
    by_hand.assert_same(model, after, feeds(model))


def test_inside_the_body_of_an_if(tmp_path):
    """
    Given: If whose branches hold products in a row, and side by side, of an outer value
    Result: fewer in each branch; the names of the branches' outputs stay
    """
    row, side = in_a_row((8, 4)), side_by_side((4, 4), x=(3, 6))
    ports = [helper.make_empty_tensor_value_info(name) for name in ("output", "both")]
    nodes = [*side.graph.node, NODE("Add", ["z0", "z1"], ["both"])]
    then = helper.make_graph(row.graph.node, "then", [], ports[:1], row.graph.initializer)
    other = helper.make_graph(nodes, "else", [], ports[1:], side.graph.initializer)
    model = model_of(
        [
            NODE("ReduceSum", ["x"], ["sum"], keepdims=0),
            NODE("Greater", ["sum", "zero"], ["positive"]),
            NODE("If", ["positive"], ["result"], then_branch=then, else_branch=other),
        ],
        (3, 6), ["result"], {"zero": np.float32(0)},
    )  # fmt: skip
    after, edit = rewrite(model, tmp_path, join=True)
    assert (edit.details["merged"], edit.details["joined"]) == (1, 1)
    branches = [
        [node.op_type for node in helper.get_node_attr_value(after.graph.node[-1], key).node]
        for key in ("then_branch", "else_branch")
    ]
    assert branches == [["Gemm"], ["Gemm", "Split", "Tanh", "Tanh", "Add"]]
    for sign in (1, -1):
        by_hand.assert_same(model, after, {"x": sign * np.abs(feeds(model)["x"])})


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions(tmp_path, dtype):
    model = biased(dtype=dtype)
    after, _ = rewrite(model, tmp_path)
    assert counts(after) == ["Gemm", "Relu"]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    assert {tensor.data_type for tensor in after.graph.initializer} == {kind}
    want, have = (ReferenceEvaluator(m).run(None, feeds(model))[0] for m in (model, after))
    tolerance = 5e-3 if dtype is np.float16 else 1e-12
    assert np.abs(want - have).max() <= tolerance * np.abs(want).max()


def test_a_dynamic_batch(tmp_path):
    model = biased(x=("n", 4))
    after, _ = rewrite(model, tmp_path)
    assert counts(after) == ["Gemm", "Relu"]
    for batch in (1, 7):
        by_hand.assert_same(model, after, {"x": normal(batch, 4)})


def overflowing():
    model = in_a_row((8, 4), biases=False)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor) * np.float32(1e25)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def overridable():
    model = biased()
    model.graph.input.append(helper.make_tensor_value_info("b", 1, (5,)))
    return model


ELSEWHERE = "a product is read by others beside the Add"
PER_COLUMN = "what is added is not one constant per column"


def with_output(model, name):
    model.graph.output.append(helper.make_tensor_value_info(name, 1, None))
    return model


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: with_output(biased(), "p"), ELSEWHERE),
        (lambda: biased(bias=(3, 5)), PER_COLUMN),
        (lambda: biased(bias=(3, 1)), PER_COLUMN),
        (lambda: biased(x=(1, 4), bias=(6, 1)), PER_COLUMN),
        (
            lambda: biased(x=(2, 3, 4)),
            "the input is not known to have two dimensions, as a Gemm needs",
        ),
        (overflowing, matrix_product_fusion.OVERFLOW),
        (
            lambda: with_output(in_a_row((8, 4)), "y0"),
            "the first of two products in a row is read elsewhere too",
        ),
        (overridable, None),
    ],
)
def test_what_is_left_alone(tmp_path, build, reason):
    model = build()
    after, edit = rewrite(model, tmp_path)
    assert (edit.changed, dict(edit.left)) == (0, {reason: 1} if reason else {})
    assert counts(after) == counts(model)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    dims=st.sampled_from([2, 2, 3, 4]), seed=st.integers(0, 2**31), opset=st.integers(13, 23),
    join=st.sampled_from([True, True, False]), steps=st.integers(3, 14),
)  # fmt: skip
def test_any_net_of_products(tmp_path_factory, dims, seed, opset, join, steps):
    """Products, Adds and activations, each on any value there is; some values are outputs."""
    random = np.random.default_rng(seed)
    x = (*random.integers(1, 4, dims - 1).tolist(), 4)
    nodes, constants, widths = [], {}, {"x": 4}
    for i in range(steps):
        recent = random.random() < 0.5
        value = list(widths)[-1] if recent else str(random.choice(list(widths)))
        kind, width = int(random.integers(7)), int(random.choice([1, 3, 4, 8, 16]))
        if kind <= 2:
            gemm = kind == 2 and dims == 2
            turned = bool(random.integers(2)) and gemm
            shape = (widths[value], width)
            constants[f"w{i}"] = normal(*(shape[::-1] if turned else shape)) / 2
            held = [f"w{i}"]
            if gemm and random.integers(2):
                constants[f"c{i}"] = normal(*((width,), (1, width), ())[random.integers(3)])
                held.append(f"c{i}")
            own = {"transB": int(turned), "alpha": 0.5, "beta": 2.0} if gemm else {}
            nodes.append(NODE("Gemm" if gemm else "MatMul", [value, *held], [f"v{i}"], **own))
        elif kind <= 4:
            width = widths[value]
            constants[f"b{i}"] = normal(*((width,), (1, width), (1,), ())[random.integers(4)])
            ends = [value, f"b{i}"][:: int(random.choice([1, -1]))]
            nodes.append(NODE("Add", ends, [f"v{i}"]))
        else:
            width = widths[value]
            nodes.append(NODE("Sin", [value], [f"v{i}"]))
        widths[f"v{i}"] = width
    read = {name for node in nodes for name in node.input}
    outputs = [f"v{i}" for i in range(steps) if f"v{i}" not in read or random.integers(12) == 0]
    model = model_of(nodes, x, outputs, constants, opset=opset)
    after, edit = rewrite(model, tmp_path_factory.mktemp("any"), join=join)
    assert len(after.graph.node) <= len(nodes) + edit.details["joined"]
    value = feeds(model)
    for want, have in zip(
        by_hand.outputs_of(model, value), by_hand.outputs_of(after, value), strict=True
    ):
        assert want.shape == have.shape
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    assert_settled(after, join=join)
