import graphs_by_hand as by_hand
import models
import numpy as np
import onnx as library
import pytest
from onnx import helper, numpy_helper

from optkit.catalogue import find_format
from optkit.core.errors import OptkitError
from optkit.core.signature import Signature, TensorSpec
from optkit.rewrite import half

NODE = helper.make_node
RANDOM = np.random.default_rng(0)

FP16 = 0.999
"""The cosine that FP16 has to reach."""


def onnx(kind, tmp_path):
    return models.artifact("onnx", models.onnx_file(kind, tmp_path / "source.onnx"))


def precision(done):
    return dict(find_format(done.artifact.format).summary(done.artifact).precision)


def test_ir(apply, tmp_path):
    """
    Given: Convolution and MatMul with float32 weights
    Result: float16 weights, half the bytes of the .bin, widened by Convert
    """
    given = models.artifact("ir", models.ir_file(models.ConvNet, tmp_path / "source.xml"))
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    assert precision(done) == {"fp16": 2}
    assert done.after["Convert"] >= 2
    sizes = [artifact.files[1].stat().st_size for artifact in (given, done.artifact)]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("kind", [models.ConvNet, models.TwoInputs, models.Recurrent])
def test_onnx(apply, tmp_path, kind):
    """
    Given: float32 initializers, inputs and outputs
    Result: float16 initializers; a Cast behind each input and before each output
    """
    given = onnx(kind, tmp_path)
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    ends = len(given.signature.inputs) + len(given.signature.outputs)
    assert set(precision(done)) == {"fp16"}
    assert done.after["Cast"] == done.before.get("Cast", 0) + ends


def test_onnx_ends_in_half_precision_too(apply, tmp_path):
    """
    Given: the same, option keep_io: false
    Result: no Cast; inputs and outputs are float16
    """
    done = apply("convert_fp16", onnx(models.ConvNet, tmp_path), cosine=FP16, keep_io=False)
    assert "Cast" not in done.after
    face = find_format("onnx").signature(done.artifact)
    assert [spec.dtype for spec in (*face.inputs, *face.outputs)] == ["float16", "float16"]
    assert done.outcome.signature == face


def test_loops_and_branches_in_onnx(apply, tmp_path):
    """
    Given: a linear layer in a loop, and a branch
    Result: the layer in float16 inside the loop
    """
    path = models.scripted(models.LoopNet, tmp_path / "source.pt")
    face = Signature((TensorSpec("x", (2, 4), "float32"),))
    given = apply("export_onnx", models.artifact("torchscript", path, signature=face)).artifact
    done = apply("convert_fp16", given, cosine=FP16)
    assert precision(done) == {"fp16": 1}
    assert (done.after["Loop"], done.after["If"]) == (1, 1)


@pytest.mark.parametrize("format_name", ["ir", "onnx"])
def test_no_float32_weights(apply, tmp_path, format_name):
    x = library.helper.make_tensor_value_info("x", 1, [2, 3])
    y = library.helper.make_tensor_value_info("y", 1, [2, 3])
    node = library.helper.make_node("Relu", ["x"], ["y"])
    model = library.helper.make_model(
        library.helper.make_graph([node], "g", [x], [y]),
        opset_imports=[library.helper.make_opsetid("", 18)], ir_version=9,
    )  # fmt: skip
    library.save(model, tmp_path / "source.onnx")
    given = models.artifact("onnx", tmp_path / "source.onnx")
    if format_name == "ir":
        given = apply("emit_ir", given).artifact
    assert np.dtype(given.signature.inputs[0].dtype) == np.float32
    assert apply("convert_fp16", given).outcome.reason == "no float32 weights"


def normal(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


def by_hand_artifact(tmp_path, nodes, constants, *, width=8, opset=18):
    model = by_hand.graph(nodes, {"x": (2, 8)}, {"y": (2, width)}, constants, opset=opset)
    return models.artifact("onnx", by_hand.written(model, tmp_path))


def kept(done):
    return {entry["value"]: entry["why"] for entry in done.outcome.details["kept_fp32"]}


def dtypes(done):
    """Types of the initializers by name, and how many Casts there are."""
    model = library.load(done.artifact.path)
    assert done.after.get("Cast", 0) == sum(n.op_type == "Cast" for n in model.graph.node)
    return {t.name: numpy_helper.to_array(t).dtype.name for t in model.graph.initializer}


@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize(("scale", "why"), [(1e6, "overflows"), (1e-6, "underflows")])
def test_weights_that_half_precision_cannot_hold(apply, tmp_path, opset, scale, why):
    """
    Given: MatMul(x, W) → MatMul(·, V), W beyond the range of float16
    Result: Cast(float16) between the two; W and its MatMul in float32
    """
    w = normal(8, 8) * np.float32(scale)
    back = np.float32(1 / np.abs(w).max())
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"], name="first"),
        NODE("Mul", ["a", "back"], ["b"], name="scale"),
        NODE("MatMul", ["b", "v"], ["y"], name="second"),
    ]
    constants = {"w": w, "back": back, "v": normal(8, 8)}
    given = by_hand_artifact(tmp_path, nodes, constants, opset=opset)
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    found = kept(done)
    assert found["w"].startswith(why)
    types = dtypes(done)
    assert types["w"] == "float32"
    assert types["v"] == "float16"
    assert "'w'" in done.outcome.reason


def test_values_that_leave_the_range_on_the_samples(apply, tmp_path):
    """
    Given: x·300 → Pow 4 → Sqrt → Sqrt → MatMul, all weights harmless
    Result: Pow and the Sqrts around its values in float32, no Cast between them
    """
    nodes = [
        NODE("Mul", ["x", "k"], ["a"], name="scale"),
        NODE("Pow", ["a", "four"], ["b"], name="power"),
        NODE("Sqrt", ["b"], ["c"], name="root"),
        NODE("Sqrt", ["c"], ["d"], name="root_again"),
        NODE("MatMul", ["d", "w"], ["y"], name="product"),
    ]
    constants = {"k": np.float32(100), "four": np.float32(4), "w": normal(8, 8) / 100}
    given = by_hand_artifact(tmp_path, nodes, constants)
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    assert "b" in kept(done)
    assert {"a", "y"}.isdisjoint(kept(done))
    assert dtypes(done)["w"] == "float16"
    assert "synthesised" in done.outcome.details["samples"]


def test_a_variance_that_vanishes(apply, tmp_path):
    """
    Given: normalization of x / 1000, written out as Pow, ReduceMean, Sqrt, Div
    Result: what is smaller than 6.1e-5 in float32
    """
    nodes = [
        NODE("Mul", ["x", "k"], ["a"]),
        NODE("Pow", ["a", "two"], ["b"]),
        NODE("ReduceMean", ["b"], ["c"], axes=[-1]),
        NODE("Sqrt", ["c"], ["d"]),
        NODE("Div", ["a", "d"], ["e"]),
        NODE("MatMul", ["e", "w"], ["y"]),
    ]
    constants = {"k": np.float32(1e-3), "two": np.float32(2), "w": normal(8, 8)}
    done = apply(
        "convert_fp16", by_hand_artifact(tmp_path, nodes, constants, opset=17), cosine=FP16
    )
    assert {"b", "c"} <= kept(done).keys()
    assert all(why.startswith("underflows") for why in kept(done).values())
    assert dtypes(done)["w"] == "float16"


def test_nodes_that_the_user_keeps(apply, tmp_path):
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"], name="first"),
        NODE("MatMul", ["a", "v"], ["y"], name="second"),
    ]
    given = by_hand_artifact(tmp_path, nodes, {"w": normal(8, 8), "v": normal(8, 8)})
    done = apply("convert_fp16", given, cosine=FP16, keep_fp32=("first",))
    assert dtypes(done) == {"w": "float32", "v": "float16"}
    assert done.after["Cast"] == 2
    assert kept(done) == {}


def test_a_node_to_keep_that_is_not_there(apply, tmp_path):
    given = by_hand_artifact(tmp_path, [NODE("MatMul", ["x", "w"], ["y"])], {"w": normal(8, 8)})
    with pytest.raises(OptkitError, match="no node is named 'third'"):
        apply("convert_fp16", given, keep_fp32=("third",))


def test_a_weight_that_two_nodes_read(apply, tmp_path):
    """
    Given: W, beyond the range, read by two MatMuls
    Result: both in float32, one W
    """
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("MatMul", ["a", "w"], ["b"]),
        NODE("Mul", ["b", "k"], ["c"]),
        NODE("MatMul", ["c", "v"], ["y"]),
    ]
    constants = {"w": normal(8, 8) * np.float32(1e5), "k": np.float32(1e-11), "v": normal(8, 8)}
    done = apply("convert_fp16", by_hand_artifact(tmp_path, nodes, constants), cosine=FP16)
    types = dtypes(done)
    assert (types["w"], types["v"]) == ("float32", "float16")
    assert kept(done)["w"].startswith("overflows")


def ir_by_hand(tmp_path):
    import openvino
    from openvino import opset13

    x = opset13.parameter([2, 40], openvino.Type.f32, name="x")
    weights = {"w": normal(40, 40), "large": normal(40, 40) * np.float32(1e6)}
    value = x
    for name, array in weights.items():
        value = opset13.matmul(value, opset13.constant(array, name=name), False, False)
    result = opset13.result(value)
    model = openvino.Model([result], [x])
    model.inputs[0].get_tensor().set_names({"x"})
    model.outputs[0].get_tensor().set_names({"y"})
    path = tmp_path / "source.xml"
    find_format("ir").save(model, path)
    return models.artifact("ir", path)


def test_ir_weights_that_half_precision_cannot_hold(apply, tmp_path):
    """
    Given: two weights in IR, one beyond the range
    Result: one in float16, the other, named, in float32
    """
    done = apply("convert_fp16", ir_by_hand(tmp_path), cosine=FP16, twice=True)
    assert list(kept(done)) == ["large"]
    assert kept(done)["large"].startswith("overflows")
    assert precision(done) == {"fp16": 1, "fp32": 1}


@pytest.mark.parametrize("options", [{"keep_io": False}, {"keep_fp32": ("w",)}])
def test_what_an_ir_cannot_be_asked_for(apply, tmp_path, options):
    given = ir_by_hand(tmp_path)
    with pytest.raises(OptkitError, match="only the weights"):
        apply("convert_fp16", given, **options)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.array([1.0, -65504.0]), None),
        (np.array([1.0, -65505.0]), "overflows: max 6.6e+04"),
        (np.array([0.0, 0.0]), None),
        (np.array([0.0, 6e-5]), "underflows: max 6e-05"),
        (np.array([np.inf, 1.0]), None),
        (np.array([1.0] + [1e-9] * 1000), None),
        (np.array([7e-5] + [2e-8] * 100_000), "loses 9.0% of its norm"),
        (np.array([]), None),
    ],
)
def test_what_counts_as_lost(array, why):
    assert half.misfit(array.astype("f4")) == why
