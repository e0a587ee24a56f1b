import re

import graphs_by_hand as by_hand
import models
import numpy as np
import onnx as library
import pytest
from onnx import helper, numpy_helper

from optkit.catalogue import find_format, find_pass
from optkit.core.contract import Context
from optkit.core.errors import OptkitError
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Signature, TensorSpec
from optkit.rewrite import half
from optkit.runtimes.openvino import open_session

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
    Result: its weight in float16 outside the loop, widened; the loop computes in float32
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


def test_weights_in_constant_nodes(apply, tmp_path):
    """
    Given: MatMul(x, Constant), no initializer
    Result: the same weight in float16
    """
    weight = numpy_helper.from_array(normal(8, 8))
    nodes = [NODE("Constant", [], ["w"], value=weight), NODE("MatMul", ["x", "w"], ["y"])]
    done = apply("convert_fp16", by_hand_artifact(tmp_path, nodes, {}), cosine=FP16, twice=True)
    assert dtypes(done) == {"w": "float16"}
    assert precision(done) == {"fp16": 1}


@pytest.mark.parametrize("inner", [1e30, 1e-30])
def test_values_inside_a_branch(apply, tmp_path, inner):
    """
    Given: If whose bodies give x·1e30·w/1e30, all constants in Constant nodes
    Result: w in float16; the bodies compute in float32
    """
    value = [helper.make_tensor_value_info("b", 1, [2, 8])]

    def body(name, weight):
        numbers = {f"{name}k": np.array(inner, "f4"), f"{name}w": weight,
                   f"{name}i": np.array(1 / inner, "f4")}  # fmt: skip
        held = [NODE("Constant", [], [word], value=numpy_helper.from_array(array))
                for word, array in numbers.items()]  # fmt: skip
        nodes = [
            NODE("Mul", ["a", f"{name}k"], ["p"]),
            NODE("MatMul", ["p", f"{name}w"], ["q"]),
            NODE("Mul", ["q", f"{name}i"], ["b"]),
        ]
        return helper.make_graph([*held, *nodes], name, [], value)

    nodes = [
        NODE("MatMul", ["x", "v"], ["a"], name="outer"),
        NODE("ReduceSum", ["x"], ["s"], keepdims=0),
        NODE("Greater", ["s", "zero"], ["c"]),
        NODE("If", ["c"], ["d"], then_branch=body("then", normal(8, 8)),
             else_branch=body("else", normal(8, 8))),
        NODE("MatMul", ["d", "u"], ["y"], name="last"),
    ]  # fmt: skip
    constants = {"zero": np.float32(0), "v": normal(8, 8), "u": normal(8, 8)}
    done = apply("convert_fp16", by_hand_artifact(tmp_path, nodes, constants), cosine=FP16)
    assert precision(done) == {"fp16": 4}
    types = dtypes(done)
    assert {types[name] for name in ("v", "u", "thenw", "elsew")} == {"float16"}
    assert {types[name] for name in ("thenk", "thenw", "theni") if "w" not in name} == {"float32"}
    assert {"thenk", "theni", "elsek", "elsei"} <= kept(done).keys()


@pytest.mark.parametrize("moved", [False, True])
def test_an_attention_mask_of_the_lowest_float(apply, tmp_path, moved):
    """
    Given: Softmax(x·w + (1 - mask) · -3.4e38), the mask all ones on the samples
    Result: no NaN where the mask is all zeros: the addition in float32, clamped behind it
    """
    shape = np.array([1, 1, 8], "i8")
    nodes = [
        NODE("Sub", ["one", "mask"], ["hidden"]),
        NODE("Mul", ["hidden", "lowest"], ["bias"]),
        NODE("Expand" if moved else "Add", ["bias", "shape" if moved else "zero"], ["spread"]),
        NODE("Squeeze", ["spread", "axis"], ["flat"]) if moved
        else NODE("Identity", ["spread"], ["flat"]),
        NODE("MatMul", ["x", "w"], ["scores"], name="scores"),
        NODE("Add", ["scores", "flat"], ["masked"]),
        NODE("Softmax", ["masked"], ["y"]),
    ]  # fmt: skip
    constants = {"one": np.float32(1), "lowest": np.finfo("f4").min, "zero": np.float32(0),
                 "w": normal(8, 8), "shape": shape, "axis": np.array([0], "i8")}  # fmt: skip
    constants = {name: np.asarray(array) for name, array in constants.items()}
    model = by_hand.graph(nodes, {"x": (2, 8), "mask": (1, 8)}, {"y": (2, 8)}, constants)
    given = models.artifact("onnx", by_hand.written(model, tmp_path))
    done = apply_with(given, tmp_path, [{"x": normal(2, 8), "mask": np.ones((1, 8), "f4")}])
    assert library.load(done)
    for mask in (np.zeros((1, 8)), np.ones((1, 8)), np.arange(8).reshape(1, 8) % 2):
        feeds = {"x": 50 * normal(2, 8), "mask": mask.astype("f4")}
        (want,), (have,) = (by_hand.outputs_of(m, feeds) for m in (model, library.load(done)))
        assert np.isfinite(have).all()
        if mask.any():
            assert np.abs(want - have).max() < 0.02
    types = {t.name: t.data_type for t in library.load(done).graph.initializer}
    assert types["w"] == library.TensorProto.FLOAT16
    assert types["lowest"] == library.TensorProto.FLOAT


def test_a_mask_of_infinity(tmp_path):
    """
    Given: Softmax(x·w·1e5 + -inf where the mask is zero), and the same without the 1e5
    Result: infinity, which float16 holds, hides nothing: only the large scores stay in float32
    """
    nodes = [
        NODE("Where", ["mask", "zero", "lowest"], ["bias"]),
        NODE("MatMul", ["x", "w"], ["scores"]),
        NODE("Add", ["scores", "bias"], ["masked"]),
        NODE("Softmax", ["masked"], ["weights"]),
        NODE("Mul", ["scores", "k"], ["large"]),
        NODE("Add", ["large", "bias"], ["masked_too"]),
        NODE("Softmax", ["masked_too"], ["others"]),
        NODE("Add", ["weights", "others"], ["y"]),
    ]
    constants = {"zero": np.array(0, "f4"), "lowest": np.array(-np.inf, "f4"),
                 "w": normal(8, 8), "k": np.array(3e4, "f4")}  # fmt: skip
    mask = np.array([[True] * 5 + [False] * 3])
    given = by_hand_artifact(
        tmp_path, [NODE("Constant", [], ["mask"], value=numpy_helper.from_array(mask)), *nodes],
        constants,
    )  # fmt: skip
    feeds = {"x": normal(2, 8)}
    item = find_pass("convert_fp16")
    outcome = item.run(given, item.options(), context_with(given, tmp_path, [feeds]))
    found = {entry["value"] for entry in outcome.details["kept_fp32"]}
    assert found == {"large", "masked_too"}
    (want,), (have,) = (
        by_hand.outputs_of(library.load(path), feeds) for path in (given.path, outcome.path)
    )
    assert np.abs(want - have).max() < 0.01
    assert not have[:, 5:].any()


def apply_with(given, tmp_path, arrays, **options):
    """The model that the pass makes with calibration data given."""
    item = find_pass("convert_fp16")
    return item.run(given, item.options(**options), context_with(given, tmp_path, arrays)).path


def context_with(given, tmp_path, arrays):
    output, scratch = tmp_path / "output", tmp_path / "scratch"
    output.mkdir()
    scratch.mkdir()
    samples = Samples(len(arrays), lambda i: arrays[i], None, "given", "", "data")
    return Context(
        given, output, scratch, lambda: samples, lambda _: arrays[0], 0,
        lambda done, total: None, lambda *_: pytest.fail("it writes by itself"),
    )  # fmt: skip


def test_quantized_layers_stay_as_they_are(apply, tmp_path):
    """
    Given: QuantizeLinear, DequantizeLinear around a MatMul; another MatMul behind
    Result: the first in float32 between them, as integer kernels need it; the second in float16
    """
    scale, zero = np.array(0.05, "f4"), np.array(0, "i1")
    nodes = [
        NODE("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        NODE("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        NODE("DequantizeLinear", ["wq", "scale", "zero"], ["wd"]),
        NODE("MatMul", ["xd", "wd"], ["a"]),
        NODE("MatMul", ["a", "v"], ["y"]),
    ]
    constants = {"scale": scale, "zero": zero, "v": normal(8, 8),
                 "wq": RANDOM.integers(-99, 99, (8, 8)).astype("i1")}  # fmt: skip
    done = apply("convert_fp16", by_hand_artifact(tmp_path, nodes, constants), cosine=FP16)
    assert precision(done) == {"int8": 1, "fp16": 1}
    assert dtypes(done)["scale"] == "float32"


def test_scales_that_are_float32_by_the_schema(apply, tmp_path):
    """
    Given: Resize by 1.3, whose scales float16 would round, in a float16 chain
    Result: the data in float16, the scales in float32
    """
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("Resize", ["a", "", "scales"], ["y"], mode="linear"),
    ]
    constants = {"w": normal(8, 8), "scales": np.array([1, 1.3], "f4")}
    done = apply(
        "convert_fp16", by_hand_artifact(tmp_path, nodes, constants, width=10), cosine=0.99
    )
    assert dtypes(done) == {"w": "float16", "scales": "float32"}


def test_ends_beyond_the_range_stay_float32(apply, tmp_path):
    """
    Given: x·w·1e6, float16 ends asked for
    Result: x in float16, y, named, in float32
    """
    nodes = [NODE("MatMul", ["x", "w"], ["a"]), NODE("Mul", ["a", "k"], ["y"])]
    given = by_hand_artifact(tmp_path, nodes, {"w": normal(8, 8), "k": np.float32(1e6)})
    done = apply("convert_fp16", given, cosine=FP16, keep_io=False)
    face = done.outcome.signature
    assert [spec.dtype for spec in (*face.inputs, *face.outputs)] == ["float16", "float32"]
    assert face == find_format("onnx").signature(done.artifact)
    assert "y" in kept(done)


def test_weights_that_lie_in_files_of_their_own(apply, tmp_path, monkeypatch):
    """
    Given: weights above the limit of one file
    Result: float16 weights, above it too, in a file beside the model
    """
    monkeypatch.setattr(find_format("onnx"), "INLINE_LIMIT", 2000)
    nodes = [NODE("MatMul", ["x", "w"], ["a"]), NODE("MatMul", ["a", "v"], ["y"])]
    given = by_hand_artifact(tmp_path, nodes, {"w": normal(8, 500), "v": normal(500, 8)})
    find_format("onnx").save(library.load(given.path), given.path)
    given = models.artifact("onnx", given.path)
    assert len(given.files) == 2
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    assert precision(done) == {"fp16": 2}
    assert len(done.artifact.files) == 2
    assert done.artifact.bytes < 0.6 * given.bytes


def test_a_full_disk_is_not_no_change(tmp_path, monkeypatch):
    given = by_hand_artifact(tmp_path, [NODE("MatMul", ["x", "w"], ["y"])], {"w": normal(8, 8)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(find_format("onnx"), "write_graph", full)
    with pytest.raises(OSError, match="No space left"):
        apply_with(given, tmp_path, [{"x": normal(2, 8)}])


def ir_by_hand(tmp_path, factor=1e6, *, one=None, quantized=False):
    """MatMuls with `w` and then `large`: `w` times a factor, or one value of it that large."""
    import openvino
    from openvino import opset13

    x = opset13.parameter([2, 40], openvino.Type.f32, name="x")
    weights = {"w": normal(40, 40), "large": normal(40, 40)}
    if one:
        weights["large"][3, 4] = one
    else:
        weights["large"] *= np.float32(factor)
    value = x
    for name, array in weights.items():
        weight = opset13.constant(array, name=name)
        if quantized:
            ranges = [np.full((1, 40), bound, "f4") for bound in (-3, 2.9, -3, 2.9)]
            weight = opset13.fake_quantize(weight, *ranges, 256)
            value = opset13.fake_quantize(value, *map(np.float32, (-9.1, 9, -9.1, 9)), 256)
        value = opset13.matmul(value, weight, False, False, name=f"times_{name}")
    result = opset13.result(value)
    model = openvino.Model([result], [x])
    model.inputs[0].get_tensor().set_names({"x"})
    model.outputs[0].get_tensor().set_names({"y"})
    path = tmp_path / "source.xml"
    find_format("ir").save(model, path)
    return models.artifact("ir", path)


@pytest.mark.parametrize("one", [None, 1e5])
def test_ir_weights_that_half_precision_cannot_hold(apply, tmp_path, one):
    """
    Given: two weights in IR, one beyond the range, or a single value of it
    Result: one in float16, the other, named, in float32 and not clamped
    """
    given = ir_by_hand(tmp_path, one=one)
    done = apply("convert_fp16", given, cosine=FP16, twice=True)
    assert list(kept(done)) == ["large"]
    assert kept(done)["large"].startswith("overflows")
    assert precision(done) == {"fp16": 1, "fp32": 1}
    assert ir_constants(done.artifact)["large"].max() == ir_constants(given)["large"].max()
    assert 'name="decompression"' in done.artifact.path.read_text()


def ir_constants(artifact):
    return {op.get_friendly_name(): np.array(op.data)
            for op in find_format("ir").load(artifact).get_ops()
            if op.get_type_name() == "Constant"}  # fmt: skip


@pytest.mark.parametrize("name", ["w", "times_w"])
def test_ir_operations_that_the_user_keeps(apply, tmp_path, name):
    done = apply("convert_fp16", ir_by_hand(tmp_path, factor=1), cosine=FP16, keep_fp32=(name,))
    found = {name: array.dtype.name for name, array in ir_constants(done.artifact).items()}
    assert found == {"w": "float32", "large_compressed": "float16"}
    assert kept(done) == {}


def test_an_ir_operation_to_keep_that_is_not_there(apply, tmp_path):
    with pytest.raises(OptkitError, match="no node is named 'third'"):
        apply("convert_fp16", ir_by_hand(tmp_path), keep_fp32=("third",))


@pytest.mark.parametrize(("factor", "end"), [(1, "float16"), (1e6, "float32")])
def test_ir_ends_in_half_precision_too(apply, tmp_path, factor, end):
    """
    Given: an IR, option keep_io: false
    Result: its ends are float16, but an output that leaves the range
    """
    given = ir_by_hand(tmp_path, factor)
    done = apply("convert_fp16", given, cosine=FP16, twice=True, keep_io=False)
    face = find_format("ir").signature(done.artifact)
    assert done.outcome.signature == face
    assert [spec.dtype for spec in (*face.inputs, *face.outputs)] == ["float16", end]
    assert ("y" in kept(done)) == (end == "float32")
    session, said = open_session(done.artifact, Settings()), []
    session.submit({"x": normal(2, 40)}, said.append)
    session.close()
    assert said == [None]


def test_ir_ends_without_tensor_names_keep_their_names(apply, tmp_path):
    path = ir_by_hand(tmp_path).path
    path.write_text(re.sub(r' (output_)?names="[xy]"', "", path.read_text()))
    given = models.artifact("ir", path)
    assert [spec.name for spec in given.signature.outputs] == ["times_large"]
    done = apply("convert_fp16", given, cosine=FP16, keep_io=False)
    assert [spec.name for spec in done.outcome.signature.outputs] == ["times_large"]


def test_ir_quantized_layers_stay_so(apply, tmp_path):
    """
    Given: MatMuls between FakeQuantize
    Result: weights in float16; as before, both run in integers
    """
    given = ir_by_hand(tmp_path, factor=1, quantized=True)
    done = apply("convert_fp16", given, cosine=FP16)
    assert precision(done) == precision_of(given) == {"int8": 2}
    executed = [open_session(each, Settings()).executed() for each in (given, done.artifact)]
    assert executed[0] == executed[1]


def precision_of(artifact):
    return dict(find_format(artifact.format).summary(artifact).precision)


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
