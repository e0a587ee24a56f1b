"""Full bias correction: what taking the layers one by one gives, in fewer runs."""

from itertools import pairwise

import numpy as np
import onnx
import openvino
import pytest
import torch
from torch import nn

from optkit.calibration.tools import tools_for
from optkit.quantization.bias_correction import measured_shifts
from optkit.quantization.collect import collect, ranges_of
from optkit.quantization.tools import Figure

DRAW = np.random.default_rng(0)
SAMPLES = [{"image": DRAW.standard_normal((1, 3, 8, 8), "float32") + 0.5} for _ in range(8)]


@pytest.fixture(scope="module", params=["ir", "onnx"])
def job(request, tmp_path_factory):
    """A chain of six layers, and how it is quantized: the ranges clip, so that means shift."""
    torch.manual_seed(0)
    widths = (3, 8, 8, 8, 8, 8)
    convs = [
        part
        for width, out in pairwise(widths)
        for part in (nn.Conv2d(width, out, 3, padding=1), nn.ReLU())
    ]
    net = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    example = torch.randn(1, 3, 8, 8)
    if request.param == "ir":
        model = openvino.convert_model(net, example_input=example)
    else:
        path = tmp_path_factory.mktemp("chain") / "chain.onnx"
        torch.onnx.export(net, (example,), str(path), input_names=["image"], dynamo=False)
        model = onnx.load(path)
    tools = tools_for(request.param)
    sites = tools.find_sites(model, ())
    seen = collect(tools, model, sites, SAMPLES, len(SAMPLES))
    ranges = ranges_of(sites.points, seen, "minmax", margin=0.5, symmetric=True)
    return tools, model, sites, lambda s: tools.inserted(model, sites, ranges, tops={}, shifts=s)


def means(tools, model, sites):
    totals = {layer.name: 0.0 for layer in sites.layers}

    def visit(_, values):
        for layer, value in zip(sites.layers, values, strict=True):
            axis = layer.out % value.ndim
            others = tuple(at for at in range(value.ndim) if at != axis)
            totals[layer.name] = totals[layer.name] + value.mean(others) / len(SAMPLES)

    figures = [Figure(layer.output) for layer in sites.layers]
    tools.stream(tools.observed(model, figures), SAMPLES, visit)
    return totals


def test_as_if_layers_were_taken_one_by_one(job):
    tools, model, sites, build = job
    wanted = means(tools, model, sites)
    single = {}
    for layer in sites.layers:
        single[layer.name] = (
            wanted[layer.name] - means(tools, build(single), sites)[layer.name]
        ).astype(np.float64)
    built = []
    shifts = measured_shifts(tools, model, sites, SAMPLES, lambda s: built.append(s) or build(s))
    for name, shift in single.items():
        assert np.linalg.norm(shift) > 1e-3
        assert np.allclose(shifts[name], shift, atol=0.1 * np.linalg.norm(shift))
    assert 1 < len(built) <= len(sites.layers)
    assert build({}) is not None


def test_means_come_back(job):
    tools, model, sites, build = job
    wanted = means(tools, model, sites)
    off = means(tools, build({}), sites)
    shifts = measured_shifts(tools, model, sites, SAMPLES, build)
    found = means(tools, build(shifts), sites)
    biased = {layer.name for layer in sites.layers if layer.biased}
    for name, want in wanted.items():
        mean = found[name] if name in biased else found[name] + shifts[name]
        left = np.linalg.norm(mean - want)
        assert left < 0.1 * np.linalg.norm(off[name] - want) + 1e-6
