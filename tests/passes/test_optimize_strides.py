import models
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from optkit.rewrite.strides import move_strides

CHANNELS = 4


class Net:
    """An ONNX graph written node by node; every Conv keeps the number of channels."""

    def __init__(self, *, size=(9, 8), dtype=np.float32, batch=2, opset=17):
        self.nodes, self.constants = [], []
        self.dtype, self.opset = np.dtype(dtype), opset
        self.kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        self.inputs = [helper.make_tensor_value_info("x", self.kind, [batch, CHANNELS, *size])]
        self.random = np.random.default_rng(0)

    def constant(self, *shape):
        name = f"c{len(self.constants)}"
        array = self.random.uniform(0.1, 1, shape).astype(self.dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind, *inputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [f"v{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def conv(self, x, kernel=1, stride=1, **attributes):
        weight = self.constant(CHANNELS, CHANNELS, kernel, kernel)
        if "auto_pad" not in attributes:
            attributes.setdefault("pads", [kernel // 2] * 4)
        return self.add("Conv", x, weight, strides=[stride] * 2, **attributes)

    def model(self, *outputs):
        graph = helper.make_graph(
            self.nodes, "net", self.inputs,
            [helper.make_tensor_value_info(name, self.kind, None) for name in outputs],
            self.constants,
        )  # fmt: skip
        version = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=version, ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model, full_check=True)
        return model


@pytest.fixture
def write(tmp_path):
    def run(net, *outputs):
        path = tmp_path / "source.onnx"
        onnx.save(net.model(*outputs), path)
        return models.artifact("onnx", path)

    return run


def strides(artifact):
    nodes = onnx.load(artifact.path).graph.node
    return [
        next((tuple(a.ints) for a in node.attribute if a.name == "strides"), None)
        for node in nodes
        if node.op_type in {"Conv", "MaxPool"}
    ]


def rewritten(model):
    """The model after the rewriting, and what was done."""
    graph = ir.from_proto(model)
    edit = move_strides(graph)
    made = ir.to_proto(graph)
    onnx.checker.check_model(made, full_check=True)
    return made, edit


def run(model, arrays):
    if any(array.dtype == np.float64 for array in arrays.values()):  # ONNX Runtime has no such Conv
        return ReferenceEvaluator(model).run(None, arrays)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, arrays)


def left(artifact):
    """Why the rewriting leaves the model as it is."""
    _, edit = rewritten(onnx.load(artifact.path))
    assert not edit.changed
    return dict(edit.left)


def test_through_relu(apply, write):
    """
    Given: Conv(3×3, stride 1) → Relu → Conv(1×1, stride 2)
    Result: Conv(3×3, stride 2) → Relu → Conv(1×1, stride 1)
    """
    net = Net()
    given = write(net, net.conv(net.add("Relu", net.conv("x", 3)), stride=2))
    done = apply("optimize_strides", given, twice=True)
    assert strides(given) == [(1, 1), (2, 2)]
    assert strides(done.artifact) == [(2, 2), (1, 1)]
    assert done.before == done.after
    assert done.outcome.details == {"changed": 1}


def test_once_is_enough(apply, write):
    net = Net()
    given = write(net, net.conv(net.conv(net.conv("x", 3), stride=2), stride=2))
    done = apply("optimize_strides", given)
    assert strides(done.artifact) == [(4, 4), (1, 1), (1, 1)]
    assert left(done.artifact) == {}


def test_into_both_branches_of_a_residual_addition(apply, write):
    """
    Given: Add(Conv(3×3), Conv(1×1)) → Relu → two Convs(1×1, stride 2)
    Result: Add(Conv(3×3, stride 2), Conv(1×1, stride 2)) → Relu → two Convs(1×1)
    """
    net = Net()
    top = net.add("Relu", net.add("Add", net.conv("x", 3), net.conv("x")))
    given = write(net, net.add("Add", net.conv(top, stride=2), net.conv(top, stride=2)))
    done = apply("optimize_strides", given)
    assert strides(done.artifact) == [(2, 2), (2, 2), (1, 1), (1, 1)]
    assert done.before == done.after


def bottleneck(net):
    """The first ResNet: two blocks, the second with its stride on its first 1×1 Conv."""
    x = net.add("Relu", net.conv("x", 3))
    inner = net.add("Relu", net.conv(net.add("Relu", net.conv(x)), 3))
    x = net.add("Relu", net.add("Add", net.conv(inner), x))
    inner = net.add("Relu", net.conv(net.add("Relu", net.conv(x, stride=2)), 3))
    return net.add("Relu", net.add("Add", net.conv(inner), net.conv(x, stride=2)))


def test_an_identity_branch_is_sliced(apply, write):
    """
    Given: Relu(Add(Conv(3×3) → Relu → Conv(1×1), x)) → two Convs(1×1, stride 2), x read elsewhere
    Result: Relu(Add(Conv(3×3, stride 2) → Relu → Conv(1×1), Slice(x))) → two Convs(1×1)
    """
    net = Net()
    given = write(net, bottleneck(net))
    done = apply("optimize_strides", given, twice=True)
    assert strides(done.artifact) == [
        (1, 1),
        (1, 1),
        (2, 2),
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 1),
    ]
    assert done.after == {**done.before, "Slice": 1}
    assert done.outcome.details == {"changed": 2}


def test_gates_batchnorm_and_constants_are_passed(apply, write):
    """
    Given: Conv → BatchNormalization → x · Sigmoid(x) → Mul, Add per channel → Conv(1×1, stride 2)
    Result: the same, the first Conv with stride 2 and the last with 1
    """
    net = Net()
    factors = [net.constant(CHANNELS) for _ in range(4)]
    x = net.add("BatchNormalization", net.conv("x", 3), *factors)
    x = net.add("Mul", x, net.add("Sigmoid", x))
    gate = net.add("Sigmoid", net.add("GlobalAveragePool", "x"))
    x = net.add("Mul", net.add("Add", x, net.constant(CHANNELS, 1, 1)), gate)
    given = write(net, net.conv(net.add("Clip", x, net.constant()), stride=2))
    done = apply("optimize_strides", given)
    assert strides(done.artifact) == [(2, 2), (1, 1)]
    assert done.before == done.after


def test_a_pooling_takes_the_stride(apply, write):
    net = Net()
    x = net.add("Relu", net.add("MaxPool", "x", kernel_shape=[3, 3]))
    done = apply("optimize_strides", write(net, net.conv(x, stride=2)))
    assert strides(done.artifact) == [(2, 2), (1, 1)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("opset", [13, 22])
def test_dtypes_opsets_and_dynamic_sizes(dtype, opset):
    net = Net(dtype=dtype, opset=opset, size=("h", "w"), batch="n")
    x = net.add("Relu", net.conv("x", 3))
    model = net.model(net.conv(net.add("LeakyRelu", x), stride=2))
    made, edit = rewritten(model)
    assert edit.changed == 1
    for size in (7, 8):
        arrays = {
            "x": np.random.default_rng(1).normal(size=(1, CHANNELS, size, size)).astype(dtype)
        }
        (want,), (got,) = run(model, arrays), run(made, arrays)
        assert np.allclose(want, got, rtol=1e-2 if dtype == np.float16 else 1e-5)


def test_what_others_read_in_full_stays(write):
    net = Net()
    x = net.add("Relu", net.conv("x", 3))
    given = write(net, net.conv(x, stride=2), net.conv(x, 3))
    assert left(given) == {"others read the value in full": 1}


def test_unequal_strides_stay(write):
    net = Net()
    x = net.conv("x", 3)
    given = write(net, net.conv(x, stride=2), net.conv(x, stride=3))
    assert left(given) == {"others read the value in full": 1}


def test_an_output_stays(write):
    net = Net()
    x = net.conv("x", 3)
    assert left(write(net, net.conv(x, stride=2), x)) == {"the value is an output": 1}


def test_pooling_with_indices_stays(write):
    net = Net()
    x = net.add("MaxPool", "x", kernel_shape=[3, 3])
    net.nodes[-1].output.append("indices")
    index = net.add("Cast", "indices", to=TensorProto.FLOAT)
    given = write(net, net.conv(x, stride=2), index)
    assert left(given) == {"the operation above gives indices too": 1}


def test_an_input_stays(write):
    net = Net()
    assert left(write(net, net.conv("x", stride=2))) == {"the value is an input": 1}


def test_nothing_is_sliced_where_no_conv_gains(write):
    net = Net()
    pooled = net.add("MaxPool", "x", kernel_shape=[3, 3], pads=[1] * 4)
    given = write(net, net.conv(net.add("Add", pooled, "x"), stride=2))
    assert left(given) == {"no Conv above would compute less": 1}


def test_padding_by_auto_pad_stays(write):
    net = Net()
    given = write(net, net.conv(net.conv("x", 3, auto_pad="SAME_UPPER"), stride=2))
    reason = "the padding of the operation above depends on its stride (auto_pad)"
    assert left(given) == {reason: 1}


def test_sizes_that_are_rounded_up_stay(write):
    net = Net()
    x = net.add("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    assert left(write(net, net.conv(x, stride=2))) == {"the operation above rounds sizes up": 1}


def test_another_kind_of_operation_stays(write):
    net = Net()
    x = net.add("Softmax", net.conv("x", 3), axis=3)
    reason = "what computes the value takes no stride"
    assert left(write(net, net.conv(x, stride=2))) == {reason: 1}


def test_constants_that_differ_by_position_stay(write):
    net = Net()
    x = net.add("Mul", net.conv("x", 3), net.constant(8))
    reason = "what computes the value takes no stride"
    assert left(write(net, net.conv(x, stride=2))) == {reason: 1}


def test_a_padded_or_larger_reader_keeps_its_stride(write):
    net = Net()
    x = net.conv("x", 3)
    given = write(net, net.conv(x, 3, 2), net.conv(x, 1, 2, pads=[1, 0, 0, 1]))
    assert left(given) == {}


def branches(net, x, *, deep):
    """An If on a constant, both of whose branches read `x` from outside."""
    bodies = {}
    for key, stride in (("then_branch", 2), ("else_branch", 1)):
        start = len(net.nodes)
        inner = net.add("Relu", net.conv(x, 3)) if deep else x
        top = net.conv(inner, stride=stride)
        nodes, net.nodes[start:] = net.nodes[start:], []
        net.nodes += [helper.make_node("Identity", ["x"], [f"{key}{i}"]) for i in range(len(nodes))]
        output = helper.make_tensor_value_info(top, net.kind, None)
        bodies[key] = helper.make_graph(nodes, key, [], [output])
    net.constants.append(numpy_helper.from_array(np.array(True), "condition"))
    return net.add("If", "condition", **bodies)


GATES = ("Relu", "Sigmoid", "scale", "shift", "norm", "silu")
STEPS = st.one_of(
    st.tuples(st.just("conv"), st.sampled_from([1, 3, 5]), st.integers(1, 3), st.booleans()),
    st.tuples(st.sampled_from(GATES)),
    st.tuples(st.just("residual"), st.integers(0, 6)),
    st.tuples(st.just("block")),
    st.tuples(st.just("pool"), st.booleans(), st.integers(1, 2)),
)


def step(net, values, shape, kind, *rest):
    """One more operation on the newest value; `shape` gives that of any."""
    x = values[-1]
    if kind == "conv":
        kernel, stride, padded = rest
        pads = [kernel // 2] * 4 if padded else [0] * 4
        return net.conv(x, kernel, stride, pads=pads)
    if kind == "residual":
        same = [value for value in values if shape[value] == shape[x]]
        return net.add("Add", x, same[rest[0] % len(same)])
    if kind == "block":
        return net.add("Add", net.conv(net.add("Relu", net.conv(x, 3))), x)
    if kind == "pool":
        up, stride = rest
        return net.add("MaxPool", x, kernel_shape=[2, 2], strides=[stride] * 2, ceil_mode=int(up))
    if kind == "scale":
        return net.add("Mul", net.constant(1, CHANNELS, 1, 1), x)
    if kind == "shift":
        return net.add("Sub", x, net.constant())
    if kind == "norm":
        return net.add("BatchNormalization", x, *(net.constant(CHANNELS) for _ in range(4)))
    if kind == "silu":
        return net.add("Mul", x, net.add("Sigmoid", x))
    return net.add(kind, x)


@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    steps=st.lists(STEPS, min_size=2, max_size=8),
    height=st.integers(17, 40),
    width=st.integers(17, 40),
    heads=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=3),
)
def test_random_networks_compute_the_same(steps, height, width, heads):
    """Operations in a row with residual additions, read by strided 1×1 Convs anywhere."""
    net = Net(size=(height, width))
    values, shape = ["x"], {"x": (height, width)}
    for kind, *rest in steps:
        mark = len(net.nodes), len(net.constants)
        name = step(net, values, shape, kind, *rest)
        model = net.model(name)
        dims = model.graph.output[0].type.tensor_type.shape.dim
        shape[name] = tuple(dim.dim_value for dim in dims[2:])
        if min(shape[name], default=0) < 6:
            del net.nodes[mark[0] :], net.constants[mark[1] :]
        else:
            values.append(name)
    outputs = [net.conv(values[-1], stride=2)]
    outputs += [net.conv(values[at % len(values)], stride=stride) for at, stride in heads]
    model = net.model(*outputs)
    made, _ = rewritten(model)
    x = np.random.default_rng(1).normal(size=(2, CHANNELS, height, width)).astype(np.float32)
    for want, got in zip(run(model, {"x": x}), run(made, {"x": x}), strict=True):
        assert want.shape == got.shape
        assert np.abs(want - got).max() <= 1e-5 * np.abs(want).max()
    again, edit = rewritten(made)
    assert edit.changed == 0
    assert again == made


def test_inside_the_branches_of_an_if():
    net = Net()
    model = net.model(branches(net, net.conv("x", 3), deep=True))
    made, edit = rewritten(model)
    assert edit.changed == 1
    x = {"x": np.random.default_rng(1).normal(size=(2, CHANNELS, 9, 8)).astype(np.float32)}
    assert np.allclose(run(model, x)[0], run(made, x)[0], rtol=1e-5)
    body = next(a.g for a in made.graph.node[-1].attribute if a.name == "then_branch")
    found = [tuple(a.ints) for n in body.node for a in n.attribute if a.name == "strides"]
    assert found == [(2, 2), (1, 1)]


def test_what_the_branches_of_an_if_read_stays():
    net = Net()
    _, edit = rewritten(net.model(branches(net, net.conv("x", 3), deep=False)))
    assert edit.left == {"a body of If, Loop or Scan reads the value": 1}
    assert edit.changed == 0


def test_weights_stay_overridable():
    """A weight that is a graph input too has a known size, which is all that counts."""
    net = Net()
    top = net.conv(net.conv("x", 3), stride=2)
    net.inputs.append(helper.make_tensor_value_info("c0", TensorProto.FLOAT, [4, 4, 3, 3]))
    made, edit = rewritten(net.model(top))
    assert edit.changed == 1
    assert [value.name for value in made.graph.input] == ["x", "c0"]
