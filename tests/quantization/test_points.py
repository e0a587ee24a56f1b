"""What of a graph is quantized, in OpenVINO's graphs and in ONNX."""

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13
from torch import nn

from optkit.quantization.collect import ranges_of
from optkit.quantization.ends import NOWHERE
from optkit.quantization.ir.insert import inserted
from optkit.quantization.ir.names import operations
from optkit.quantization.ir.observe import observed
from optkit.quantization.ir.points import find_sites
from optkit.quantization.onnx import graph as onnx_graph
from optkit.quantization.ranges import Statistics, fitted
from optkit.quantization.tools import Figure


class Block(nn.Module):
    """Conv, ReLU, MaxPool; a residual sum; Conv and a linear layer: (N, 3, 8, 8) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last, self.head = nn.Conv2d(8, 4, 1), nn.Linear(4, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.max_pool2d(torch.relu(self.first(image)), 2)
        x = torch.relu(x + self.inner(x))
        x = torch.relu(self.last(torch.relu(self.depth(x))))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Block().eval()


@pytest.fixture
def ir(network, tmp_path):
    example = torch.randn(1, 3, 8, 8)
    path = tmp_path / "model.xml"
    openvino.save_model(
        openvino.convert_model(network, example_input=example), path, compress_to_fp16=False
    )
    return openvino.Core().read_model(path)


@pytest.fixture
def onnx_model(network, tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    torch.onnx.export(
        network, (torch.randn(1, 3, 8, 8),), path, dynamo=False, input_names=["image"]
    )
    return onnx.load(path)


def makers(sites, kinds):
    return [kinds[point.key.rpartition(":")[0]] for point in sites.points]


def test_ranges_go_above_pooling_and_into_residual_sums(ir):
    """
    Given: Conv → Relu → MaxPool → (Conv → Add, itself → Add) → Relu → depthwise → Relu → Conv
    Result: the value before MaxPool is quantized, both sides of the sum, each layer's input
    """
    sites = find_sites(ir)
    kinds = {name: kind for name, (kind, _) in operations(ir).items()} | {
        port.get_node().get_friendly_name(): "Parameter" for port in ir.inputs
    }
    assert len(sites.layers) == 5
    assert makers(sites, kinds) == [
        "Parameter", "Relu", "Add", "Relu", "Relu", "ReduceMean",
    ]  # fmt: skip
    depthwise = [point.per_channel for point in sites.points]
    assert depthwise == [False, False, False, True, False, False]


def test_an_ignored_layer_reads_floating_point(ir):
    names = [name for name, (kind, _) in operations(ir).items() if kind == "GroupConvolution"]
    sites = find_sites(ir, names)
    assert len(sites.layers) == 4
    assert not any(point.per_channel for point in sites.points)


def test_operations_are_told_by_the_sources_names(ir):
    told = {source for kind, source in operations(ir).values() if "Convolution" in kind}
    assert told == {"first", "inner", "depth", "last"}


def test_the_input_of_a_graph_can_be_observed(ir):
    figures = [Figure(point.key) for point in find_sites(ir).points]
    copy = observed(ir, figures)
    assert len(copy.outputs) == len(figures)
    assert len(ir.outputs) == 1


def test_what_nothing_wants_quantized_is_left_alone():
    """
    Given: an output behind the MaxPool that a Conv reads
    Result: the range lies behind the MaxPool: the output stays as it was
    """
    given = opset13.parameter([1, 3, 8, 8], np.float32, name="x")
    pool = opset13.max_pool(given, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    weights = opset13.constant(np.ones((4, 3, 1, 1), "float32"))
    conv = opset13.convolution(pool, weights, [1, 1], [0, 0], [0, 0], [1, 1], name="conv")
    model = openvino.Model([opset13.result(conv), opset13.result(pool)], [given], "pool")
    (point,) = find_sites(model).points
    assert point.readers == (("conv", 0),)


def test_a_concatenation_shares_one_range():
    given = opset13.parameter([1, 3, 8, 8], np.float32, name="x")
    left, right = opset13.relu(given), opset13.sigmoid(given)
    joined = opset13.concat([left, right], 1)
    weights = opset13.constant(np.ones((4, 6, 1, 1), "float32"))
    conv = opset13.convolution(joined, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    first, second = find_sites(openvino.Model([opset13.result(conv)], [given], "two")).points
    assert first.key != second.key
    assert first.group == second.group


def test_attention_keeps_the_product_behind_softmax():
    given = opset13.parameter([1, 6, 8], np.float32, name="x")
    score = opset13.matmul(given, opset13.sigmoid(given), False, True, name="score")
    mixed = opset13.matmul(opset13.softmax(score, -1), given, False, False, name="mixed")
    sites = find_sites(openvino.Model([opset13.result(mixed)], [given], "attention"))
    assert {reader for point in sites.points for reader, _ in point.readers} == {"score"}


def test_shared_weights_are_stored_once():
    given = opset13.parameter([2, 4], np.float32, name="x")
    weights = opset13.constant(np.ones((4, 4), "float32"), name="w")
    once = opset13.matmul(given, weights, False, False, name="one")
    twice = opset13.matmul(opset13.relu(once), weights, False, False, name="two")
    model = openvino.Model([opset13.result(twice)], [given], "shared")
    sites = find_sites(model)
    ranges = {point.key: fitted(np.float32(-1), np.float32(1), symmetric=True)
              for point in sites.points}  # fmt: skip
    made = inserted(model, sites, ranges, tops={})
    assert sum(
        node.get_type_name() == "Constant" and node.output(0).get_element_type() == openvino.Type.i8
        for node in made.get_ops()
    ) == 1  # fmt: skip


def test_onnx_quantizes_what_convolutions_give(onnx_model):
    """
    Given: the same as ONNX
    Result: what the last Conv gives is quantized too, else ONNX Runtime leaves it in float
    """
    sites = onnx_graph.find_sites(onnx_model)
    assert len(sites.layers) == 5
    kinds = {name: node.op_type for node in onnx_model.graph.node for name in node.output}
    found = [kinds.get(point.key, "input") for point in sites.points]
    assert found == ["input", "Relu", "Conv", "Relu", "Relu", "Relu", "ReduceMean"]


def test_onnx_runs_in_integers(onnx_model, tmp_path):
    """
    Given: four Convs and a Gemm
    Result: all of them run in integers in ONNX Runtime, ReLU within the Conv
    """
    import onnx
    import onnxruntime

    sites = onnx_graph.find_sites(onnx_model)
    relus = {name for n in onnx_model.graph.node if n.op_type == "Relu" for name in n.output}
    ranges = {
        point.key: fitted(
            np.float32(0 if point.key in relus else -4), np.float32(4), symmetric=True
        )
        for point in sites.points
    }
    made = onnx_graph.inserted(onnx_model, sites, ranges, tops={})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    image = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype("float32")
    assert np.isfinite(session.run(None, {"image": image})[0]).all()
    assert kinds.count("QLinearConv") == 4
    assert not {"Conv", "FusedConv", "Gemm", "Relu"} & set(kinds)


class Bounded(nn.Module):
    """ReLU6, sigmoid and tanh, each before a Conv: (N, 3, 8, 8) -> (N, 3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.second(torch.sigmoid(self.first(nn.functional.relu6(image))))
        return self.third(torch.tanh(x))


@pytest.mark.parametrize("opset", [9, 18])
def test_operations_tell_where_their_values_end(opset, tmp_path):
    """
    Given: ReLU6 → Conv → sigmoid → Conv → tanh → Conv, in IR and in ONNX of two ages
    Result: the points know it, and no range goes beyond, however wide the margin is
    """
    import onnx

    network, example = Bounded().eval(), torch.randn(1, 3, 8, 8)
    path = tmp_path / "model.onnx"
    torch.onnx.export(network, (example,), path, dynamo=False, opset_version=opset)
    for sites in (
        find_sites(openvino.convert_model(network, example_input=example)),
        onnx_graph.find_sites(onnx.load(path)),
    ):
        bounded = [point for point in sites.points if point.ends != NOWHERE]
        assert [point.ends for point in bounded] == [(0, 6), (0, 1), (-1, 1)]
        seen = {point.key: Statistics([np.float32(-9)], [np.float32(9)]) for point in bounded}
        ranges = ranges_of(bounded, seen, "minmax", margin=1.5, symmetric=False)
        for point in bounded:
            low, high = point.ends
            step = (high - low) / 254  # of which zero is one
            assert ranges[point.key].low == pytest.approx(low, abs=step)
            assert ranges[point.key].high == pytest.approx(high, abs=step)
