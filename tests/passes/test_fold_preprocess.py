from collections import Counter
from dataclasses import replace

import models
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from optkit.catalogue import find_format, find_pass
from optkit.core.contract import Context
from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.engine.checks import checked
from optkit.engine.edit import edit_graph

IMAGENET = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def net(*convs, shape=(2, 3, 8, 9), dtype=np.float32, front=(), bias=True, opset=17):
    """Convs side by side on the input `image`, each a dict of attributes, behind `front` nodes."""
    random = np.random.default_rng(0)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [helper.make_node(op, ["image"], ["front"], **facts) for op, facts in front]
    constants, outputs = [], []
    for at, facts in enumerate(convs):
        names = ["front" if front else "image", "weight", "bias"][: 2 + bias]
        if facts.get("group", 1) > 1:
            names = [names[0], "grouped"]
        nodes.append(helper.make_node("Conv", names, [f"out{at}"], **facts))
        outputs.append(helper.make_tensor_value_info(f"out{at}", kind, None))
    for name, size in (("weight", (6, 3, 3, 3)), ("bias", (6,)), ("grouped", (6, 1, 3, 3))):
        if any(name in node.input for node in nodes):
            array = random.normal(size=size).astype(dtype)
            constants.append(numpy_helper.from_array(array, name))
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, constants)
    version = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=version, ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def fold(model, folder, **options):
    """The model after the pass, held to the pass contract, with what the pass said."""
    folder.mkdir(parents=True, exist_ok=True)
    path, output = folder / "source.onnx", folder / "output"
    onnx.save(model, path)
    output.mkdir(exist_ok=True)
    artifact = models.artifact("onnx", path)
    before = path.read_bytes()
    item = find_pass("fold_preprocess")
    context = Context(
        artifact, output, folder, None, None, 0, None,
        edit=lambda given, rewrite: edit_graph(given, rewrite, output),
    )  # fmt: skip
    outcome = item.run(artifact, item.options.model_validate(options), context)
    assert path.read_bytes() == before
    if outcome.path is None:
        return model, outcome
    checked(item, replace(artifact, path=outcome.path, signature=outcome.signature), output)
    made = onnx.load(outcome.path)
    onnx.checker.check_model(made, full_check=True)
    found = find_format("onnx").signature(models.artifact("onnx", outcome.path))
    for wanted, got in zip(outcome.signature.inputs, found.inputs, strict=True):
        assert (wanted.shape, wanted.dtype) == (got.shape, got.dtype)
    return made, outcome


def run(model, image):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"image": image})


def prepared(image, *, scale=1.0, mean=(0.0,), std=(1.0,), order="NCHW", reverse=False):
    """The float64 reference: what the network has to get for an image."""
    x = image.astype(np.float64)
    x = np.moveaxis(x, -1, 1) if order == "NHWC" else x
    x = x[:, ::-1] if reverse else x
    sides = (1, -1, 1, 1)
    return (x * scale - np.reshape(mean, sides)) / np.reshape(std, sides)


def same(model, made, image, tolerance=1e-5, **arithmetic):
    dtype = helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)
    want = run(model, np.ascontiguousarray(prepared(image, **arithmetic).astype(dtype)))
    for a, b in zip(want, run(made, image), strict=True):
        assert a.shape == b.shape
        assert np.ptp(a) > 0
        assert np.abs(a - b).max() <= tolerance * np.abs(a).max()


def pixels(*shape):
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


def kinds(model):
    return Counter(node.op_type for node in model.graph.node)


def test_all_of_it_into_a_conv_without_padding(tmp_path):
    """
    Given: float32 NCHW → Conv
    Result: uint8 NHWC → Transpose → Cast → Conv
    """
    model = net({})
    made, outcome = fold(model, tmp_path, **IMAGENET, channel_order="reversed", layout="NHWC",
                         dtype="uint8")  # fmt: skip
    assert kinds(made) == {"Transpose": 1, "Cast": 1, "Conv": 1}
    assert outcome.reason is None
    assert outcome.details == {"changed": 1, "folded": ["scale", "shift", "channel order"]}
    assert outcome.signature == Signature(
        (TensorSpec("image", (2, 8, 9, 3), "uint8", "NHWC"),),
        (TensorSpec("out0", (2, 6, 6, 7), "float32"),),
    )
    same(model, made, pixels(2, 8, 9, 3), **IMAGENET, order="NHWC", reverse=True)
    again, _ = fold(model, tmp_path / "again", **IMAGENET, channel_order="reversed", layout="NHWC",
                    dtype="uint8")  # fmt: skip
    assert again.SerializeToString() == made.SerializeToString()


def test_the_shift_stays_before_a_padded_conv(tmp_path):
    """
    Given: float32 → Conv with padding
    Result: uint8 → Cast → Add(−mean/scale) → Conv
    """
    model = net({"pads": [1, 1, 1, 1]})
    made, outcome = fold(model, tmp_path, **IMAGENET, dtype="uint8", channel_order="reversed")
    assert kinds(made) == {"Cast": 1, "Add": 1, "Conv": 1}
    assert outcome.reason == "1 left alone: shift, which not every reader of the input takes"
    same(model, made, pixels(2, 3, 8, 9), **IMAGENET, reverse=True)


@pytest.mark.parametrize("facts", [{"auto_pad": "SAME_UPPER"}, {"pads": [0, 0, 0, 1]}])
def test_scale_alone_folds_with_any_padding(tmp_path, facts):
    model = net(facts)
    made, _ = fold(model, tmp_path, scale=1 / 255, dtype="uint8")
    assert kinds(made) == {"Cast": 1, "Conv": 1}
    same(model, made, pixels(2, 3, 8, 9), scale=1 / 255)


def test_before_another_operation_all_of_it_stays(tmp_path):
    """
    Given: float32 → Relu → Conv
    Result: float32 → Gather → Mul → Add → Relu → Conv
    """
    model = net({}, front=[("Relu", {})])
    made, outcome = fold(model, tmp_path, **IMAGENET, channel_order="reversed")
    assert kinds(made) == {"Gather": 1, "Mul": 1, "Add": 1, "Relu": 1, "Conv": 1}
    assert outcome.details["folded"] == []
    same(model, made, pixels(2, 3, 8, 9).astype(np.float32), **IMAGENET, reverse=True)


def test_a_network_that_takes_nhwc(tmp_path):
    model = net({}, shape=(2, 8, 9, 3), front=[("Transpose", {"perm": [0, 3, 1, 2]})])
    made, outcome = fold(model, tmp_path, **IMAGENET, dtype="uint8", layout="NCHW")
    assert outcome.signature.inputs == (TensorSpec("image", (2, 3, 8, 9), "uint8", "NCHW"),)
    image = pixels(2, 3, 8, 9)
    x = np.moveaxis(prepared(image, **IMAGENET), 1, -1).astype(np.float32)
    want, got = run(model, np.ascontiguousarray(x))[0], run(made, image)[0]
    assert np.abs(want - got).max() <= 1e-5 * np.abs(want).max()


def test_channel_order_before_a_grouped_conv_stays(tmp_path):
    model = net({"group": 3})
    made, outcome = fold(model, tmp_path, **IMAGENET, channel_order="reversed")
    assert kinds(made) == {"Gather": 1, "Conv": 1}
    assert outcome.details["folded"] == ["scale", "shift"]
    same(model, made, pixels(2, 3, 8, 9).astype(np.float32), **IMAGENET, reverse=True)


def test_shared_weights_of_two_convs_stay_apart_from_others(tmp_path):
    """Both Convs read the input with one weight; a third use of it must not change."""
    model = net({}, {"strides": [2, 2]})
    model.graph.node.append(helper.make_node("Identity", ["weight"], ["copy"]))
    model.graph.output.append(helper.make_tensor_value_info("copy", 1, [6, 3, 3, 3]))
    made, _ = fold(model, tmp_path, **IMAGENET, dtype="uint8")
    assert kinds(made) == {"Cast": 1, "Conv": 2, "Identity": 1}
    same(model, made, pixels(2, 3, 8, 9), **IMAGENET)


def test_weights_that_can_be_fed_stay(tmp_path):
    model = net({})
    model.graph.input.append(helper.make_tensor_value_info("weight", 1, [6, 3, 3, 3]))
    made, outcome = fold(model, tmp_path, **IMAGENET)
    assert kinds(made) == {"Mul": 1, "Add": 1, "Conv": 1}
    assert outcome.details["folded"] == []
    same(model, made, pixels(2, 3, 8, 9).astype(np.float32), **IMAGENET)


def test_a_bias_that_can_be_fed_keeps_the_shift_out(tmp_path):
    model = net({})
    model.graph.input.append(helper.make_tensor_value_info("bias", 1, [6]))
    made, outcome = fold(model, tmp_path, **IMAGENET)
    assert kinds(made) == {"Add": 1, "Conv": 1}
    assert outcome.details["folded"] == ["scale"]
    same(model, made, pixels(2, 3, 8, 9).astype(np.float32), **IMAGENET)


def test_half_precision_weights_that_would_lose_digits_stay(tmp_path):
    model = net({}, dtype=np.float16)
    made, outcome = fold(model, tmp_path, scale=1e-4, dtype="uint8")
    assert kinds(made) == {"Cast": 1, "Mul": 1, "Conv": 1}
    assert outcome.details["folded"] == []
    made, outcome = fold(model, tmp_path, scale=1 / 16, dtype="uint8")
    assert kinds(made) == {"Cast": 1, "Conv": 1}
    same(model, made, pixels(2, 3, 8, 9), 1e-2, scale=1 / 16)


def test_dynamic_sizes(tmp_path):
    model = net({}, shape=("n", 3, "h", "w"))
    made, outcome = fold(model, tmp_path, **IMAGENET, dtype="uint8", layout="NHWC")
    assert outcome.signature.inputs[0].shape == (Dim(), Dim(), Dim(), 3)
    same(model, made, pixels(1, 7, 11, 3), **IMAGENET, order="NHWC")


def test_the_branches_of_an_if_read_the_prepared_image(tmp_path):
    model = net({})
    for key, op in (("then", "Relu"), ("else", "Neg")):
        body = helper.make_graph(
            [helper.make_node(op, ["image"], [key])], key, [],
            [helper.make_tensor_value_info(key, 1, [2, 3, 8, 9])],
        )  # fmt: skip
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), f"is_{key}"))
        other = onnx.GraphProto()
        other.CopyFrom(body)
        other.node[0].output[0] = other.output[0].name = f"other_{key}"
        model.graph.node.append(
            helper.make_node(
                "If", [f"is_{key}"], [f"of_{key}"], then_branch=body, else_branch=other
            )
        )
        model.graph.output.append(helper.make_tensor_value_info(f"of_{key}", 1, [2, 3, 8, 9]))
    made, outcome = fold(model, tmp_path, **IMAGENET, dtype="uint8")
    assert kinds(made) == {"Cast": 1, "Mul": 1, "Add": 1, "Conv": 1, "If": 2}
    assert outcome.details["folded"] == []
    same(model, made, pixels(2, 3, 8, 9), **IMAGENET)


def test_an_input_that_is_an_output_too_stays(tmp_path):
    model = net({})
    model.graph.output.append(model.graph.input[0])
    _, outcome = fold(model, tmp_path, **IMAGENET)
    assert outcome.path is None
    assert outcome.reason == "the input is an output too"


def test_nothing_asked_for(tmp_path):
    _, outcome = fold(net({}), tmp_path, dtype="float32", layout="NCHW")
    assert outcome.path is None
    assert outcome.reason == "the network takes such images already"


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (net({}), {"input": "picture"}, "no input 'picture'"),
        (net({}), {"mean": (1.0, 2.0)}, "do not fit 3 channels"),
        (net({}), {"std": (0.0,)}, "do not fit 3 channels"),
        (net({}), {"scale": 1e-45}, "leave the range of float32"),
        (net({}, shape=("n", "c", 8, 8)), {"scale": 2.0}, "cannot tell which dimension"),
        (net({}, shape=(1, 3, 8, 3)), {"scale": 2.0}, "cannot tell which dimension"),
    ],
)
def test_bad_input(tmp_path, model, options, message):
    with pytest.raises(OptkitError, match=message) as caught:
        fold(model, tmp_path, **options)
    assert caught.value.hint


def test_raw_images_are_not_preprocessed_again_by_mistake(tmp_path):
    made, _ = fold(net({}), tmp_path, **IMAGENET, dtype="uint8")
    with pytest.raises(OptkitError, match="takes no images"):
        fold(made, tmp_path, **IMAGENET, dtype="uint8")


VALUES = st.lists(st.floats(0.1, 2), min_size=3, max_size=3)


@settings(max_examples=30, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    scale=st.sampled_from([1.0, 1 / 255, 2.0]),
    mean=st.one_of(st.just([0.0]), VALUES),
    std=st.one_of(st.just([1.0]), VALUES),
    reverse=st.booleans(),
    layout=st.sampled_from([None, "NCHW", "NHWC"]),
    dtype=st.sampled_from([None, "uint8", "float32"]),
    convs=st.lists(
        st.fixed_dictionaries(
            {"strides": st.sampled_from([[1, 1], [2, 1]]), "group": st.sampled_from([1, 1, 3])},
            optional={"pads": st.just([1, 0, 2, 1]), "dilations": st.just([2, 2])},
        ),
        min_size=1,
        max_size=2,
    ),
    bias=st.booleans(),
    front=st.booleans(),
    opset=st.sampled_from([13, 17, 22]),
)
def test_random_networks_compute_the_same(
    tmp_path_factory, scale, mean, std, reverse, layout, dtype, convs, bias, front, opset
):
    nodes = [("Tanh", {})] if front else []
    model = net(*convs, front=nodes, bias=bias, opset=opset)
    arithmetic = {"scale": scale, "mean": tuple(mean), "std": tuple(std)}
    order = "reversed" if reverse else "kept"
    made, outcome = fold(model, tmp_path_factory.mktemp("random"), **arithmetic, layout=layout,
                         dtype=dtype, channel_order=order)  # fmt: skip
    grouped = any(facts["group"] > 1 for facts in convs)
    assert ("Mul" in kinds(made)) <= front
    assert ("Gather" in kinds(made)) == (reverse and (front or grouped))
    assert not (front and outcome.details.get("folded"))
    image = pixels(2, 8, 9, 3) if layout == "NHWC" else pixels(2, 3, 8, 9)
    image = image.astype(dtype or "float32")
    same(model, made, image, **arithmetic, order=layout or "NCHW", reverse=reverse)
