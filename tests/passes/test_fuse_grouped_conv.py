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

from optkit.rewrite import grouped_conv

NODE = helper.make_node
RANDOM = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def parallel(
    parts=4, source="split", *, width=2, made=3, kernel=3, biases="all", opset=20, batch=2,
    size=8, axis=1, group=1, dtype=np.float32, extra=(), outputs=(), **attributes,
):  # fmt: skip
    """Convolutions side by side, their outputs concatenated along `axis`, then a ReLU.

    `source`: `split` or `slice` (the parts of x), `same` (all read x).
    """
    channels = width * (1 if source == "same" else parts)
    nodes, constants = [], {}
    if source == "split":
        own = {"num_outputs": parts} if opset >= 18 else {}
        names = [f"x{i}" for i in range(parts)]
        nodes.append(NODE("Split", ["x"], names, axis=axis, **own))
    for i in range(parts):
        if source == "slice":
            bounds = {"begin": i * width, "end": (i + 1) * width, "axis": axis}
            constants |= {f"{key}{i}": np.array([v]) for key, v in bounds.items()}
            nodes.append(NODE("Slice", ["x", f"begin{i}", f"end{i}", f"axis{i}"], [f"x{i}"]))
        held = [f"w{i}"]
        constants[f"w{i}"] = normal(made, width // group, kernel, kernel, dtype=dtype)
        if biases == "all" or (biases == "some" and i % 2):
            held.append(f"b{i}")
            constants[f"b{i}"] = normal(made, dtype=dtype)
        part = "x" if source == "same" else f"x{i}"
        nodes.append(NODE("Conv", [part, *held], [f"y{i}"], group=group, **attributes))
    nodes.append(NODE("Concat", [f"y{i}" for i in range(parts)], ["joined"], axis=axis))
    nodes += [NODE("Relu", ["joined"], ["output"]), *extra]
    return by_hand.graph(
        nodes, {"x": (batch, channels, size, size)},
        {"output": (None,) * 4, **dict.fromkeys(outputs, (None,) * 4)}, constants,
        opset=opset, dtype=dtype,
    )  # fmt: skip


def rewrite(model, tmp_path):
    return by_hand.rewritten(model, grouped_conv.fuse, tmp_path)


def counts(model):
    return [node.op_type for node in model.graph.node]


def feeds(model, seed=0):
    port = model.graph.input[0]
    shape = [dim.dim_value or 3 for dim in port.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
    return {port.name: np.random.default_rng(seed).standard_normal(shape).astype(dtype)}


def assert_left(model, tmp_path, reason):
    after, edit = rewrite(model, tmp_path)
    assert (edit.changed, dict(edit.left)) == (0, {reason: 1})
    assert counts(after) == counts(model)


@pytest.mark.parametrize("opset", [13, 17, 18, 23])
def test_split_conv_concat(apply, tmp_path, opset):
    """
    Given: Split → 4 Conv → Concat → Relu
    Result: Conv(group=4) → Relu
    """
    model = parallel(opset=opset)
    done = apply(
        "fuse_grouped_conv", models.artifact("onnx", by_hand.written(model, tmp_path)), twice=True
    )
    assert done.before == {"Split": 1, "Conv": 4, "Concat": 1, "Relu": 1}
    assert done.after == {"Conv": 1, "Relu": 1}
    after = onnx.load(done.artifact.path)
    assert helper.get_node_attr_value(after.graph.node[0], "group") == 4
    by_hand.assert_same(model, after, feeds(model))
    again, edit = rewrite(after, tmp_path)
    assert (edit.changed, dict(edit.left)) == (0, {})
    assert again.graph.node == after.graph.node


def test_slices_instead_of_a_split(apply, tmp_path):
    """
    Given: 4 Slice → 4 Conv → Concat → Relu
    Result: Conv(group=4) → Relu
    """
    model = parallel(source="slice")
    done = apply("fuse_grouped_conv", models.artifact("onnx", by_hand.written(model, tmp_path)))
    assert done.before == {"Slice": 4, "Conv": 4, "Concat": 1, "Relu": 1}
    assert done.after == {"Conv": 1, "Relu": 1}
    by_hand.assert_same(model, onnx.load(done.artifact.path), feeds(model))


def test_convolutions_on_one_input_are_stacked(apply, tmp_path):
    """
    Given: 3 Conv on x → Concat → Relu
    Result: Conv → Relu
    """
    model = parallel(3, "same")
    done = apply("fuse_grouped_conv", models.artifact("onnx", by_hand.written(model, tmp_path)))
    assert done.after == {"Conv": 1, "Relu": 1}
    after = onnx.load(done.artifact.path)
    assert helper.get_node_attr_value(after.graph.node[0], "group") == 1
    by_hand.assert_same(model, after, feeds(model))


def test_a_part_read_elsewhere_keeps_the_split(tmp_path):
    """
    Given: Split → 4 Conv → Concat, and a Neg on one of the parts
    Result: Split → Neg, and the grouped Conv on the whole
    """
    model = parallel(extra=[NODE("Neg", ["x2"], ["part"])], outputs=["part"])
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    assert sorted(counts(after)) == ["Conv", "Neg", "Relu", "Split"]
    by_hand.assert_same(model, after, feeds(model))


def test_a_weight_shared_with_others_stays_as_it_is(tmp_path):
    """
    Given: the same weight in all four convolutions, and read by another node
    Result: one Conv with a weight of its own; the other node still reads the old one
    """
    model = parallel(extra=[NODE("Neg", ["w0"], ["more"])], outputs=["more"])
    model.graph.node[2].input[1] = "w0"
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    assert sorted(counts(after)) == ["Conv", "Neg", "Relu"]
    by_hand.assert_same(model, after, feeds(model))


def test_a_concat_that_is_an_output_keeps_its_name(tmp_path):
    model = parallel(outputs=["joined"])
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    by_hand.assert_same(model, after, feeds(model))


def test_inside_the_body_of_an_if(tmp_path):
    """
    Given: If whose branch holds Split (of an outer value) → 4 Conv → Concat
    Result: the branch holds one Conv; the other branch is as it was
    """
    inner = parallel().graph
    ports = [helper.make_empty_tensor_value_info(name) for name in ("output", "other")]
    then = helper.make_graph(inner.node, "then", [], ports[:1])
    constant = NODE("ConstantOfShape", ["shape"], ["other"])
    other = helper.make_graph([constant], "else", [], ports[1:])
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in inner.initializer}
    model = by_hand.graph(
        [
            NODE("ReduceSum", ["x"], ["sum"], keepdims=0),
            NODE("Greater", ["sum", "zero"], ["positive"]),
            NODE("If", ["positive"], ["result"], then_branch=then, else_branch=other),
        ],
        {"x": (2, 8, 8, 8)},
        {"result": (None,) * 4},
        {"zero": np.float32(0), "shape": np.array([2, 12, 6, 6]), **held},
    )
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    branch = helper.get_node_attr_value(after.graph.node[-1], "then_branch")
    assert [node.op_type for node in branch.node] == ["Conv", "Relu"]
    value = feeds(model)["x"]
    by_hand.assert_same(model, after, {"x": value - value.mean() + 0.1})


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions(tmp_path, dtype):
    model = parallel(dtype=dtype)
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    assert {tensor.data_type for tensor in after.graph.initializer} == {
        helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    }
    value = feeds(model)
    if dtype is np.float16:
        by_hand.assert_same(model, after, value, 2e-3)
        return
    # ONNX Runtime has no Conv of this precision
    want, have = (ReferenceEvaluator(m).run(None, value)[0] for m in (model, after))
    assert np.abs(want - have).max() <= 1e-12 * np.abs(want).max()


def test_dynamic_batch_and_size(tmp_path):
    model = parallel(batch="n", size="s")
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    for size in (5, 9):
        value = normal(2, 8, size, size)
        by_hand.assert_same(model, after, {"x": value})


def test_slices_of_unknown_channels_up_to_the_end(tmp_path):
    """The last Slice ends beyond any size: together they are the whole."""
    model = parallel(source="slice")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "c"
    del model.graph.value_info[:]
    assert rewrite(model, tmp_path)[1].changed == 0
    [end] = [tensor for tensor in model.graph.initializer if tensor.name == "end3"]
    end.CopyFrom(numpy_helper.from_array(np.array([2**63 - 1]), "end3"))
    after, edit = rewrite(model, tmp_path)
    assert edit.changed == 1
    by_hand.assert_same(model, after, {"x": normal(2, 8, 8, 8)})


DIVIDED = "the inputs are neither one value nor all its equal parts in order"


def swapped():
    model = parallel()
    first, second = model.graph.node[1], model.graph.node[2]
    first.input[0], second.input[0] = second.input[0], first.input[0]
    return model


def gap():
    model = parallel(source="slice")
    dim = model.graph.input[0].type.tensor_type.shape.dim[1]
    dim.dim_value = 9
    return model


def two_sources():
    model = parallel(3, "same")
    model.graph.node.insert(0, NODE("Neg", ["x"], ["minus"]))
    model.graph.node[1].input[0] = "minus"
    return model


def overridable():
    model = parallel()
    model.graph.input.append(helper.make_tensor_value_info("w1", 1, (3, 2, 3, 3)))
    return model


def unlike():
    model = parallel(pads=[1, 1, 1, 1])
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    weights["w1"].CopyFrom(numpy_helper.from_array(normal(3, 2, 5, 5), "w1"))
    model.graph.node[2].attribute[1].ints[:] = [2, 2, 2, 2]
    return model


def unequal():
    model = parallel()
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    weights["w1"].CopyFrom(numpy_helper.from_array(normal(5, 2, 3, 3), "w1"))
    weights["b1"].CopyFrom(numpy_helper.from_array(normal(5), "b1"))
    return model


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: parallel(outputs=["y1"]), "a convolution's output is read elsewhere too"),
        (
            lambda: parallel(extra=[NODE("Neg", ["y1"], ["more"])], outputs=["more"]),
            "a convolution's output is read elsewhere too",
        ),
        (overridable, "a weight or bias is not constant"),
        (
            lambda: parallel(2, "same", axis=2),
            "they are concatenated along another axis than the channels",
        ),
        (unlike, "kernels, strides, pads, dilations or groups differ"),
        (
            lambda: parallel(3, "same", width=4, made=4, group=2),
            "grouped convolutions on one input",
        ),
        (swapped, DIVIDED),
        (gap, DIVIDED),
        (two_sources, DIVIDED),
        (unequal, "the parts have unequal numbers of output channels"),
    ],
)  # fmt: skip
def test_what_is_left_alone(tmp_path, build, reason):
    assert_left(build(), tmp_path, reason)


def test_an_outer_convolution_read_in_a_body(tmp_path):
    """Convolutions outside of an If whose branch concatenates them."""
    model = parallel(2, "same")
    concat = model.graph.node[2]
    outputs = [helper.make_empty_tensor_value_info(name) for name in ("inside", "else")]
    then = helper.make_graph([NODE("Concat", ["y0", "y1"], ["inside"], axis=1)], "then", [],
                             [outputs[0]])  # fmt: skip
    other = helper.make_graph([NODE("Concat", ["y1", "y0"], ["else"], axis=1)], "else", [],
                              [outputs[1]])  # fmt: skip
    concat.CopyFrom(NODE("If", ["flag"], ["joined"], then_branch=then, else_branch=other))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    _, edit = rewrite(model, tmp_path)
    reason = "the convolutions lie in another graph than their Concat"
    assert (edit.changed, dict(edit.left)) == (0, {reason: 2})


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    parts=st.integers(2, 6), source=st.sampled_from(["split", "slice", "same"]),
    width=st.sampled_from([2, 4]), made=st.sampled_from([2, 4]), kernel=st.integers(1, 3),
    biases=st.sampled_from(["all", "some", "none"]), group=st.sampled_from([1, 2]),
    opset=st.integers(13, 23), batch=st.sampled_from([1, 2, "n"]), axis=st.sampled_from([1, -3]),
    strides=st.integers(1, 2), dilations=st.integers(1, 2), pads=st.integers(0, 2),
)  # fmt: skip
def test_any_such_graph(
    tmp_path_factory, parts, source, group, strides, dilations, pads, **options
):  # fmt: skip
    model = parallel(
        parts, source, group=group, strides=[strides] * 2, dilations=[dilations] * 2,
        pads=[pads] * 4, **options,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("any")
    after, edit = rewrite(model, folder)
    fused = source != "same" or group == 1
    assert edit.changed == fused
    assert counts(after).count("Conv") == (1 if fused else parts)
    by_hand.assert_same(model, after, feeds(model))
    again = grouped_conv.fuse(onnx_ir.from_proto(after))
    assert again.changed == 0


@pytest.mark.parametrize(
    ("runtime", "parts", "width", "kernel", "fused"),
    [
        (None, 4, 12, 3, True),
        ("onnxruntime", 4, 12, 3, False),
        ("onnxruntime", 4, 8, 3, False),
        ("onnxruntime", 4, 12, 1, True),
        ("onnxruntime", 4, 4, 3, True),
        ("onnxruntime", 4, 16, 3, True),
        ("openvino", 4, 8, 3, True),
        ("openvino", 4, 16, 3, True),
        ("openvino", 16, 16, 3, False),
        ("openvino", 4, 12, 3, False),
    ],
)
def test_shapes_that_lose_in_a_runtime_are_left_alone(
    tmp_path, runtime, parts, width, kernel, fused
):
    model = parallel(parts, width=width, made=width, kernel=kernel)
    after, edit = by_hand.rewritten(
        model, lambda graph: grouped_conv.fuse(graph, runtime=runtime), tmp_path
    )
    assert counts(after).count("Conv") == (1 if fused else parts)
    assert bool(edit.left) is not fused
    by_hand.assert_same(model, after, feeds(model))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_convolutions_on_one_input_are_stacked_for_every_runtime(tmp_path, runtime):
    model = parallel(4, "same", width=12, made=12)
    after, edit = by_hand.rewritten(
        model, lambda graph: grouped_conv.fuse(graph, runtime=runtime), tmp_path
    )
    assert counts(after).count("Conv") == edit.changed == 1
