from collections import Counter

import graphs_by_hand as by_hand
import models
import numpy as np
import onnx
import onnx_ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError
from torch import nn

from optkit.formats import onnx as format_
from optkit.passes.simplify import Options
from optkit.rewrite import simplify as method

NODE = helper.make_node
RANDOM = np.random.default_rng(0)
LIMIT = 1_000_000


def normal(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


def ints(*values):
    return np.array(values, "i8")


def simplified(model, limit=LIMIT):
    """The model after the rewriting, checked; the input is untouched, and twice does as once."""
    source = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model))
    untouched = onnx_ir.to_proto(source).SerializeToString(deterministic=True)
    edit = method.simplify(source, limit)
    assert onnx_ir.to_proto(source).SerializeToString(deterministic=True) == untouched
    if not edit.changed:
        assert edit.graph is None
        return model, edit
    made = onnx_ir.to_proto(edit.graph)
    for side in ("input", "output"):
        assert getattr(made.graph, side) == getattr(onnx_ir.to_proto(source).graph, side)
    made = onnx_ir.to_proto(format_.tidy_graph(edit.graph))
    onnx.checker.check_model(made, full_check=True)
    again = method.simplify(onnx_ir.from_proto(onnx.shape_inference.infer_shapes(made)), limit)
    assert not again.changed, again.details
    twin = method.simplify(onnx_ir.from_proto(onnx.shape_inference.infer_shapes(model)), limit)
    made_again = onnx_ir.to_proto(format_.tidy_graph(twin.graph))
    assert made_again.SerializeToString() == made.SerializeToString()
    return made, edit


def operations(model):
    nodes = onnx_ir.from_proto(model).graph.all_nodes()
    return Counter(node.op_type for node in nodes if node.op_type != "Constant")


def held(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


class Flatten(nn.Module):
    """A reshape by computed sizes: (N, 3, 8, 8) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Linear(192, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classify(image.reshape(image.shape[0], image.shape[1] * 64))


def source(tmp_path, kind=Flatten, *, fold=False):
    path = tmp_path / "source.onnx"
    torch.onnx.export(
        models.build(kind), models.example(models.ConvNet), path, dynamo=False,
        do_constant_folding=fold, input_names=["image"], output_names=["output"],
        dynamic_axes={"image": {0: "batch"}, "output": {0: "batch"}},
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    return path


def fixed(path):
    """The same with a batch of 2, its shape arithmetic still in it."""
    model = onnx.load(path)
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, path)
    return path


def test_shape_arithmetic_on_a_fixed_shape(apply, tmp_path):
    """
    Given: Shape → Gather → Mul → Concat → Reshape → Gemm on (2, 3, 8, 8)
    Result: Reshape → Gemm
    """
    model = models.artifact("onnx", fixed(source(tmp_path)))
    done = apply("simplify", model, twice=True)
    assert done.before["Shape"] >= 1
    assert done.after == {"Reshape": 1, "Gemm": 1}
    assert done.outcome.details["removed"]["Shape"] == done.before["Shape"]
    sizes = done.outcome.details["constant_bytes"]
    assert sizes["after"] <= sizes["before"] + 10 * 1024**2


def test_what_hangs_on_a_dynamic_batch_stays(apply, tmp_path):
    """
    Given: the same on (batch, 3, 8, 8)
    Result: both sizes are right; the batch stays dynamic
    """
    done = apply("simplify", models.artifact("onnx", source(tmp_path)))
    assert done.after["Gemm"] == 1
    face = format_.signature(done.artifact)
    assert face.inputs[0].dynamic
    assert face.outputs[0].dynamic


def test_batchnorm_is_left_to_its_own_pass(apply, tmp_path):
    done = apply("simplify", models.artifact("onnx", source(tmp_path, models.ConvNet)))
    assert done.after["BatchNormalization"] == 1


def test_nothing_to_fold(apply, tmp_path):
    path = models.onnx_file(models.ConvNet, tmp_path / "source.onnx")
    done = apply("simplify", models.artifact("onnx", path))
    assert done.outcome.reason == "nothing to rewrite"


@pytest.mark.parametrize("opset", [13, 15, 18, 21, 24])
def test_a_large_weight_that_is_transposed_first(opset):
    """
    Given: MatMul(x, Transpose(W)), W of 240 kB
    Result: MatMul(x, Wᵀ); no byte more
    """
    nodes = [NODE("Transpose", ["w"], ["t"], perm=[1, 0]), NODE("MatMul", ["x", "t"], ["y"])]
    w = normal(200, 300)
    model = by_hand.graph(nodes, {"x": ("n", 300)}, {"y": ("n", 200)}, {"w": w}, opset=opset)
    made, edit = simplified(model, limit=0)
    assert operations(made) == {"MatMul": 1}
    assert [array.shape for array in held(made).values()] == [(300, 200)]
    sizes = edit.details["constant_bytes"]
    assert sizes["before"] == sizes["after"] == w.nbytes
    by_hand.assert_same(model, made, {"x": normal(2, 300)})


def test_a_large_weight_that_others_read_too():
    """
    Given: MatMul(MatMul(x, W), Transpose(W)), W of 240 kB, 100 kB to spare
    Result: the same; with 1 MB to spare, two weights
    """
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("Transpose", ["w"], ["t"], perm=[1, 0]),
        NODE("MatMul", ["a", "t"], ["y"]),
    ]
    model = by_hand.graph(nodes, {"x": (2, 200)}, {"y": (2, 200)}, {"w": normal(200, 300)})
    assert not simplified(model, limit=100_000)[1].changed
    made, _ = simplified(model, limit=LIMIT)
    assert operations(made) == {"MatMul": 2}
    by_hand.assert_same(model, made, {"x": normal(2, 200)})


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range"])
def test_what_is_small_only_as_long_as_it_is_computed(kind):
    """
    Given: a constant of 4 MB that a few bytes describe
    Result: still computed
    """
    count = 1_000_000
    constants = {
        "ConstantOfShape": {"a": ints(count)},
        "Expand": {"a": np.ones(1, "f4"), "b": ints(count)},
        "Tile": {"a": np.ones(1, "f4"), "b": ints(count)},
        "Range": {"a": np.float32(0), "b": np.float32(count), "c": np.float32(1)},
    }[kind]
    nodes = [
        NODE(kind, list(constants), ["big"]),
        NODE("Identity", ["x"], ["same"]),
        NODE("Mul", ["big", "same"], ["scaled"]),
        NODE("ReduceSum", ["scaled", "axes"], ["y"], keepdims=0),
    ]
    model = by_hand.graph(nodes, {"x": (1,)}, {"y": ()}, {**constants, "axes": ints(0)})
    made, _ = simplified(model)
    assert made.ByteSize() < 1000
    assert operations(made)[kind] == 1


@pytest.mark.parametrize(("limit", "left"), [(1_300_000, 0), (1_000_000, 30), (0, 30)])
def test_the_bound_holds_for_the_sum(limit, left):
    """
    Given: 30 constants of 40 kB, each computed from its shape, and an Identity
    Result: all of them stored, or none
    """
    nodes = [NODE("Identity", ["x"], ["same"])]
    for i in range(30):
        nodes.append(NODE("ConstantOfShape", [f"s{i}"], [f"c{i}"]))
        nodes.append(NODE("Mul", ["same", f"c{i}"], [f"y{i}"]))
    outputs = {f"y{i}": (10_000 + i,) for i in range(30)}
    constants = {f"s{i}": ints(10_000 + i) for i in range(30)}
    made, edit = simplified(by_hand.graph(nodes, {"x": (1,)}, outputs, constants), limit)
    assert operations(made)["ConstantOfShape"] == left
    assert operations(made)["Identity"] == 0
    sizes = edit.details["constant_bytes"]
    assert sizes["after"] <= sizes["before"] + limit
    assert bool(edit.left) == bool(left and limit)


@pytest.mark.parametrize(
    ("kind", "read", "facts"),
    [
        ("RandomNormal", [], {"shape": [2, 3]}),
        ("RandomUniform", [], {"shape": [2, 3]}),
        ("RandomNormalLike", ["c"], {}),
        ("RandomUniformLike", ["c"], {}),
        ("Bernoulli", ["c"], {}),
        ("Dropout", ["c", "ratio", "training"], {}),
    ],
)
def test_random_nodes_stay_each_by_itself(kind, read, facts):
    """
    Given: two random nodes with the same inputs, and an Identity
    Result: the two random nodes
    """
    nodes = [
        NODE(kind, read, ["r"], **facts),
        NODE(kind, read, ["s"], **facts),
        NODE("Sub", ["r", "s"], ["t"]),
        NODE("Identity", ["t"], ["u"]),
        NODE("Add", ["u", "x"], ["y"]),
    ]
    constants = {"c": np.full((2, 3), 0.5, "f4"), "ratio": np.float32(0.5),
                 "training": np.array(True)}  # fmt: skip
    used = {name: constants[name] for name in read}
    made, edit = simplified(by_hand.graph(nodes, {"x": ("n", 3)}, {"y": (None, 3)}, used))
    assert edit.details["removed"] == {"Identity": 1}
    assert operations(made)[kind] == 2


def test_an_initializer_that_can_be_fed_is_no_constant():
    """
    Given: x + (c + d), c an input with a default
    Result: the same; its default is kept
    """
    nodes = [
        NODE("Add", ["c", "d"], ["e"]),
        NODE("Identity", ["e"], ["f"]),
        NODE("Add", ["x", "f"], ["y"]),
    ]
    constants = {"c": normal(2, 3), "d": normal(2, 3)}
    model = by_hand.graph(nodes, {"x": (2, 3)}, {"y": (2, 3)}, constants)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [2, 3]))
    made, _ = simplified(model)
    assert operations(made) == {"Add": 2}
    assert set(held(made)) == {"c", "d"}
    by_hand.assert_same(model, made, {"x": normal(2, 3), "c": normal(2, 3)})
    by_hand.assert_same(model, made, {"x": normal(2, 3)})


def test_equal_nodes_and_equal_weights():
    """
    Given: Relu(x·W) + Relu(x·V) twice over, W = V of 240 kB
    Result: one MatMul, one Relu, one weight
    """
    w = normal(200, 300)
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("MatMul", ["x", "v"], ["b"]),
        NODE("Relu", ["a"], ["c"]),
        NODE("Relu", ["b"], ["d"]),
        NODE("Add", ["c", "d"], ["y"]),
    ]
    model = by_hand.graph(nodes, {"x": (2, 200)}, {"y": (2, 300)}, {"w": w, "v": w.copy()})
    made, edit = simplified(model)
    assert operations(made) == {"MatMul": 1, "Relu": 1, "Add": 1}
    assert edit.details["constant_bytes"]["after"] == w.nbytes
    by_hand.assert_same(model, made, {"x": normal(2, 200)})


def test_two_outputs_of_the_same_keep_their_names():
    nodes = [
        NODE("Relu", ["x"], ["a"]),
        NODE("Identity", ["a"], ["y"]),
        NODE("Identity", ["a"], ["z"]),
        NODE("Relu", ["x"], ["w"]),
        NODE("Identity", ["x"], ["v"]),
    ]
    model = by_hand.graph(nodes, {"x": (2, 3)}, dict.fromkeys("yzwv", (2, 3)), {})
    made, _ = simplified(model)
    by_hand.assert_same(model, made, {"x": normal(2, 3)})


def padding(*, sides=(0, 0, 1, 0, 0, 0, 2, 3), value=0.0, axes=None, mode="constant", **facts):
    """Pad read by two Convs, one of them padded by itself, all on an image (1, 2, 6, 5)."""
    pad = ["x", "sides", "value", "axes"] if axes is not None else ["x", "sides", "value"]
    nodes = [NODE("Pad", pad, ["p"], mode=mode), NODE("Conv", ["p", "w"], ["y"], **facts),
             NODE("Conv", ["p", "w"], ["z"], pads=[0, 1, 1, 0])]  # fmt: skip
    constants = {"sides": ints(*sides), "value": np.array(value, "f4"), "w": normal(3, 2, 2, 2)}
    if axes is not None:
        constants["axes"] = ints(*axes)
    shape = {"x": (1, 2, 6, 5)}
    return by_hand.graph(nodes, shape, {"y": "nchw", "z": "nchw"}, constants)


@pytest.mark.parametrize(
    "facts", [{}, {"sides": (3, 1, 2, 0), "axes": (-1, 2)}], ids=["all axes", "some axes"]
)
def test_zeros_around_become_padding(facts):
    """
    Given: Pad read by two Convs
    Result: two Convs, padded
    """
    given = padding(**facts)
    made, _ = simplified(given)
    assert operations(made) == {"Conv": 2}
    by_hand.assert_same(given, made, {"x": normal(1, 2, 6, 5)})


@pytest.mark.parametrize(
    "facts",
    [{"value": 0.5}, {"mode": "edge"}, {"sides": (0, 0, -1, 0, 0, 0, 2, 3)},
     {"sides": (0, 0, 1, 0, 1, 0, 2, 3)}, {"auto_pad": "SAME_UPPER"}],
    ids=["no zeros", "edge", "crops", "batch", "auto_pad"],
)  # fmt: skip
def test_other_padding_stays(facts):
    given = padding(**facts)
    made, _ = simplified(given)
    assert operations(made) == {"Pad": 1, "Conv": 2}


def test_zeros_around_that_others_read_stay():
    given = padding()
    given.graph.node.append(NODE("Relu", ["p"], ["r"]))
    given.graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, (1, 2, 9, 8)))
    made, _ = simplified(given)
    assert operations(made) == {"Pad": 1, "Conv": 2, "Relu": 1}


def test_a_constant_cast_like_a_computed_value():
    """
    Given: whole numbers → CastLike(x) → Sqrt → Mul(x)
    Result: Mul by a constant
    """
    nodes = [NODE("CastLike", ["k", "x"], ["c"]), NODE("Sqrt", ["c"], ["s"]),
             NODE("Mul", ["x", "s"], ["y"])]  # fmt: skip
    given = by_hand.graph(nodes, {"x": ("n", 3)}, {"y": ("n", 3)}, {"k": ints(2, 3, 5)})
    made, _ = simplified(given)
    assert operations(made) == {"Mul": 1}
    by_hand.assert_same(given, made, {"x": normal(2, 3)})


def test_quantized_weights_stay_quantized():
    """
    Given: MatMul(x, DequantizeLinear(W in int8)), and an Identity
    Result: the same without the Identity
    """
    nodes = [
        NODE("DequantizeLinear", ["w", "s"], ["d"]),
        NODE("Identity", ["d"], ["e"]),
        NODE("MatMul", ["x", "e"], ["y"]),
    ]
    constants = {"w": RANDOM.integers(-9, 9, (4, 5)).astype("i1"), "s": np.float32(0.1)}
    made, _ = simplified(by_hand.graph(nodes, {"x": (2, 4)}, {"y": (2, 5)}, constants))
    assert operations(made) == {"DequantizeLinear": 1, "MatMul": 1}
    assert held(made)["w"].dtype == np.int8


def looping(condition=()):
    """A Loop over x·W + (c + c), W of the outer graph; the branches of an If on its result."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            NODE("Add", ["c", "c"], ["twice"]),
            NODE("Transpose", ["w"], ["t"], perm=[1, 0]),
            NODE("MatMul", ["h", "t"], ["p"]),
            NODE("Add", ["p", "twice"], ["q"]),
            NODE("Add", ["p", "twice"], ["r"]),
            NODE("Max", ["q", "r"], ["next"]),
            NODE("Identity", ["go"], ["on"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
         value("h", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(150, "f4"), "c")],
    )  # fmt: skip
    branches = {
        f"{name}_branch": helper.make_graph(
            [NODE(kind, ["h1"], [f"{name}_out"])], name, [], [value(f"{name}_out", 1, None)]
        )
        for name, kind in (("then", "Sigmoid"), ("else", "Tanh"))
    }
    return [
        NODE("Loop", ["count", "yes", "x"], ["h1"], body=body),
        *condition,
        NODE("If", ["which"], ["y"], **branches),
    ]


def test_bodies_of_loops_and_branches():
    """
    Given: Loop over h·Wᵀ + (c + c), computed twice; If on what is computed
    Result: Loop over h·V + d; both branches
    """
    nodes = looping([
        NODE("ReduceSum", ["h1"], ["sum"], keepdims=0),
        NODE("Greater", ["sum", "zero"], ["which"]),
    ])  # fmt: skip
    constants = {"w": normal(150, 150) / 10, "count": np.array(3, "i8"), "yes": np.array(True),
                 "zero": np.float32(0)}  # fmt: skip
    model = by_hand.graph(nodes, {"x": (2, 150)}, {"y": (2, 150)}, constants)
    made, _ = simplified(model)
    left = operations(made)
    assert left["Add"] == 1
    assert left["Transpose"] == 0
    assert (left["Loop"], left["If"], left["Sigmoid"], left["Tanh"]) == (1, 1, 1, 1)
    for sign in (1, -1):
        by_hand.assert_same(model, made, {"x": sign * np.abs(normal(2, 150))})


def test_a_branch_that_is_known():
    """
    Given: If on a constant
    Result: the branch taken
    """
    constants = {"w": normal(150, 150) / 10, "count": np.array(3, "i8"), "yes": np.array(True),
                 "which": np.array(False)}  # fmt: skip
    model = by_hand.graph(looping(), {"x": (2, 150)}, {"y": (2, 150)}, constants)
    made, _ = simplified(model)
    assert operations(made)["If"] == 0
    assert operations(made)["Tanh"] == 1
    by_hand.assert_same(model, made, {"x": normal(2, 150)})


def test_functions_of_the_model_are_inlined():
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [NODE("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    graph = helper.make_graph(
        [NODE("Twice", ["c"], ["d"], domain="own"), NODE("Add", ["x", "d"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
        [numpy_helper.from_array(normal(2, 3), "c")],
    )
    model = helper.make_model(
        graph, functions=[function], ir_version=8,
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("own", 1)],
    )  # fmt: skip
    made, _ = simplified(model)
    assert operations(made) == {"Add": 1}
    by_hand.assert_same(model, made, {"x": normal(2, 3)})


def test_operators_that_nobody_knows_stay():
    """
    Given: two equal nodes of a domain of one's own on a constant; Shape arithmetic beside them
    Result: both nodes; the arithmetic folded
    """
    nodes = [
        NODE("Secret", ["c"], ["a"], domain="own"),
        NODE("Secret", ["c"], ["b"], domain="own"),
        NODE("Shape", ["x"], ["s"]),
        NODE("Reshape", ["a", "s"], ["d"]),
        NODE("Add", ["d", "x"], ["e"]),
        NODE("Add", ["e", "b"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
        [numpy_helper.from_array(normal(2, 3), "c")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    made, edit = simplified(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    assert operations(made)["Secret"] == 2
    assert edit.details["removed"]["Shape"] == 1


def test_without_onnxsim_the_rest_goes_on(monkeypatch):
    """
    Given: what onnxsim cannot take
    Result: folded all the same, and the reason told
    """
    import onnxsim

    def refuse(*_, **__):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(onnxsim, "simplify", refuse)
    nodes = [NODE("Add", ["c", "c"], ["d"]), NODE("Add", ["x", "d"], ["y"])]
    model = by_hand.graph(nodes, {"x": (2, 3)}, {"y": (2, 3)}, {"c": normal(2, 3)})
    made, edit = simplified(model)
    assert operations(made) == {"Add": 1}
    assert edit.left == {"onnxsim refuses the model: no such thing": 1}


def test_what_the_file_says_of_itself_is_kept():
    nodes = [NODE("Identity", ["x"], ["a"]), NODE("Relu", ["a"], ["y"])]
    model = by_hand.graph(nodes, {"x": ("n", 3)}, {"y": ("n", 3)}, {})
    helper.set_model_props(model, {"author": "somebody"})
    model.producer_name = "exporter"
    made, _ = simplified(model)
    assert [(entry.key, entry.value) for entry in made.metadata_props] == [("author", "somebody")]
    assert made.producer_name == "exporter"
    assert made.opset_import == model.opset_import


@pytest.mark.parametrize("words", ["10 parsecs", "MB", "-1MB", "1e3B"])
def test_a_size_that_is_none(words):
    with pytest.raises(ValidationError):
        Options(tensor_size_threshold=words)


@st.composite
def graphs(draw):  # noqa: C901
    """Small graphs: a chain on x, with constants, shape arithmetic and repetitions in it."""
    dynamic = draw(st.booleans())
    nodes, constants, values, known = [], {}, ["x"], []

    def fresh():
        return f"v{len(nodes)}_{len(constants)}"

    def constant(array):
        name = f"k{len(constants)}"
        constants[name] = array
        return name

    for _ in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(
            ["Add", "Mul", "Transpose", "Cast", "Identity", "reshape", "chain", "again"]
        ))  # fmt: skip
        value, out = draw(st.sampled_from(values)), fresh()
        if kind in {"Add", "Mul"}:
            other = draw(st.sampled_from([*values, *known, ""])) or constant(normal(4, 4))
            nodes.append(NODE(kind, [value, other], [out]))
        elif kind == "Transpose":
            nodes += [NODE(kind, [value], [f"{out}t"], perm=[1, 0]),
                      NODE(kind, [f"{out}t"], [out], perm=[1, 0])]  # fmt: skip
        elif kind == "Cast":
            middle = draw(st.sampled_from([TensorProto.DOUBLE, TensorProto.FLOAT]))
            nodes += [NODE(kind, [value], [f"{out}c"], to=middle),
                      NODE(kind, [f"{out}c"], [out], to=TensorProto.FLOAT)]  # fmt: skip
        elif kind == "reshape":
            nodes += [
                NODE("Shape", [value], [f"{out}s"]),
                NODE("Gather", [f"{out}s", constant(ints(0))], [f"{out}g"], axis=0),
                NODE("Concat", [f"{out}g", constant(ints(4))], [f"{out}n"], axis=0),
                NODE("Reshape", [value, f"{out}n"], [out]),
            ]
        elif kind == "chain":
            nodes += [NODE("Add", [constant(normal(4)), constant(normal(4))], [f"{out}a"]),
                      NODE("Mul", [f"{out}a", f"{out}a"], [f"{out}b"]),
                      NODE("Add", [value, f"{out}b"], [out])]  # fmt: skip
            known.append(f"{out}b")
        elif kind == "again" and nodes:
            twin = draw(st.sampled_from(nodes))
            twin_out = {"Shape", "Gather", "Concat"} & {twin.op_type}
            if twin_out or twin.output[0] not in values:
                continue
            repeated = onnx.NodeProto()
            repeated.CopyFrom(twin)
            repeated.output[0] = out
            nodes.append(repeated)
        else:
            nodes.append(NODE("Identity", [value], [out]))
        values.append(out)
    nodes.append(NODE("Add", [values[-1], "x"], ["y"]))
    rows = "n" if dynamic else 4
    return by_hand.graph(
        nodes, {"x": (rows, 4)}, {"y": (rows, 4)}, constants,
        opset=draw(st.sampled_from([13, 18, 23])),
    )  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True)
@given(graphs())
def test_any_graph(model):
    made, _ = simplified(model)
    assert sum(operations(made).values()) <= sum(operations(model).values())
    by_hand.assert_same(model, made, {"x": normal(4, 4)})
