"""What is collected within the graph is what the tensors themselves show."""

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from optkit.calibration.tools import tools_for
from optkit.quantization.collect import collect, means_of
from optkit.quantization.tools import Figure

SAMPLES = [
    {"image": np.random.default_rng(at).standard_normal((1, 3, 8, 8), "float32")} for at in range(3)
]


class Net(nn.Module):
    """A depthwise Conv, a Conv, and a linear layer over rows: (N, 3, 8, 8) -> (N, 64, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(3, 3, 3, padding=1, groups=3)
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(torch.relu(self.depth(image))))
        return self.head(x.flatten(2).transpose(1, 2))


def network(word, tmp_path, dynamo):
    torch.manual_seed(0)
    net, example = Net().eval(), torch.randn(1, 3, 8, 8)
    if word == "ir":
        model = openvino.convert_model(net, example_input=example, input=[("image", [-1, 3, 8, 8])])
        openvino.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
        return openvino.Core().read_model(tmp_path / "model.xml")
    import onnx

    path = tmp_path / "model.onnx"
    torch.onnx.export(net, (example,), path, dynamo=dynamo, input_names=["image"], verbose=False)
    return onnx.load(path)


@pytest.mark.parametrize(
    ("word", "dynamo"), [("ir", False), ("onnx", False), ("onnx", True)],
    ids=["ir", "onnx, old opset", "onnx, new opset"],
)  # fmt: skip
def test_figures_within_the_graph(word, dynamo, tmp_path):
    model, tools = network(word, tmp_path, dynamo), tools_for(word)
    sites = tools.find_sites(model, ())
    seen = collect(tools, model, sites, SAMPLES, len(SAMPLES))
    keys = list(seen)
    whole = {key: [] for key in keys}

    def visit(_, values):
        for key, value in zip(keys, values, strict=True):
            whole[key].append(value.copy())

    tools.stream(tools.observed(model, [Figure(key) for key in keys]), SAMPLES, visit)
    for point in sites.points:
        values = np.stack(whole[point.key])
        others = tuple(axis for axis in range(values.ndim) if not point.per_channel or axis != 2)
        low = values.min(others)  # of what a ReLU gives, zero will do
        assert np.allclose(seen[point.key].low, low) or (seen[point.key].low == 0 <= low).all()
        assert np.allclose(seen[point.key].high, values.max(others))
        assert np.isin(np.concatenate(seen[point.key].drawn), values).all()
    means = means_of(seen)
    for layer in sites.layers:
        values = np.stack(whole[layer.reads])
        axis = layer.channel % (values.ndim - 1) + 1
        others = tuple(other for other in range(values.ndim) if other != axis)
        assert np.allclose(means[layer.reads], values.mean(others), atol=1e-6)
    assert len(means) == 3


def test_nothing_is_collected_that_is_not_asked_for(tmp_path):
    model, tools = network("ir", tmp_path, False), tools_for("ir")
    sites = tools.find_sites(model, ())
    seen = collect(tools, model, sites, SAMPLES, len(SAMPLES), means=False, values=False)
    assert means_of(seen) == {}
    assert not any(item.drawn for item in seen.values())
    assert {point.key for point in sites.points} == seen.keys()


def test_ends_and_means_alone_are_told_by_half_precision(tmp_path):
    model, tools = network("ir", tmp_path, False), tools_for("ir")
    sites = tools.find_sites(model, ())
    whole, rough = (
        collect(tools, model, sites, SAMPLES, len(SAMPLES), values=values)
        for values in (True, False)
    )
    for point in sites.points:
        known, found = whole[point.key], rough[point.key]
        assert np.allclose(found.high, known.high, rtol=0.02)
        assert np.allclose(found.low, known.low, rtol=0.02)
    known, found = means_of(whole), means_of(rough)
    assert known.keys() == found.keys() != set()
    for key, mean in known.items():
        assert np.allclose(found[key], mean, atol=0.02 * np.abs(mean).max())
