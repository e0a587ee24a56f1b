"""BatchNorm found in a source, matched to the layers that it was folded into."""

import models
import numpy as np
import openvino
import pytest
import torch
from torch import nn

from optkit.calibration.tools import tools_for
from optkit.quantization.batchnorm_moments import derive
from optkit.quantization.batchnorms import find, from_onnx, from_state
from optkit.quantization.collect import collect
from optkit.quantization.ir.points import key_of
from optkit.quantization.moments import ends
from optkit.quantization.prepared import LAYERS, scale_of, told


class TwoBranches(nn.Module):
    """Convs of equal shapes, declared in another order than they run: (N, 3, 8, 8) -> (N, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(8, eps=1e-3) for _ in range(3))
        self.right = nn.Conv2d(3, 8, 3, bias=False)
        self.left = nn.Conv2d(3, 8, 3)
        self.depth = nn.Conv2d(8, 8, 3, groups=8, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        both = torch.relu(self.norms[2](self.left(image)) + self.norms[0](self.right(image)))
        return torch.relu(self.norms[1](self.depth(both))).mean((2, 3))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = TwoBranches()
    for norm in made.norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    with torch.no_grad():  # statistics that the network itself shows
        for _ in range(200):
            made(torch.randn(32, 3, 8, 8))
    return made.eval()


def test_a_folded_layer_is_known_by_its_weights(network):
    norms = from_state(network.state_dict())
    for conv, norm in ((network.left, 2), (network.right, 0), (network.depth, 1)):
        found = network.norms[norm]
        scale = found.weight / torch.sqrt(found.running_var + found.eps)
        folded = (conv.weight * scale[:, None, None, None]).detach().numpy()
        got = find(norms, folded.reshape(8, -1))
        assert got is not None
        assert np.allclose(got.mean, found.bias.detach().numpy())
        assert np.allclose(got.std, found.weight.abs().detach().numpy())


def test_weights_that_are_not_of_the_source_are_strangers(network):
    norms = from_state(network.state_dict())
    assert find(norms, np.random.default_rng(0).standard_normal((8, 27)).astype("float32")) is None
    assert find(norms, network.left.weight.detach().numpy().reshape(8, -1)) is None


def test_onnx_and_torch_tell_the_same(network, tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    torch.onnx.export(
        network, (torch.randn(1, 3, 8, 8),), path, dynamo=False, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    told, state = from_onnx(onnx.load(path)), from_state(network.state_dict())
    assert len(told.norms) == len(state.norms) == 3
    means = {tuple(norm.mean.round(5)) for norm in told.norms}
    assert means == {tuple(norm.mean.round(5)) for norm in state.norms}


def test_derived_ranges_hold_what_data_shows(network):
    """
    Given: BatchNorm folded, two branches summed, ReLU, a depthwise Conv, ReLU, mean
    Result: next to nothing that samples show lies beyond the ranges, and they are not much wider
    """
    example = torch.randn(64, 3, 8, 8)
    model = openvino.convert_model(network, example_input=example)
    derived, matched = derive(model, from_state(network.state_dict()), lambda port: [key_of(port)])
    assert matched == 3
    relus = [node for node in model.get_ordered_ops() if node.get_type_name() == "Relu"]
    with torch.no_grad():
        both = torch.relu(
            network.norms[2](network.left(example)) + network.norms[0](network.right(example))
        )
        last = torch.relu(network.norms[1](network.depth(both)))
    for node, value in zip(relus, (both, last), strict=True):
        item = derived[key_of(node.output(0))]
        low, high = ends(item, channels=False)
        assert float((value > float(high)).float().mean()) < 1e-3
        assert high <= 4 * float(value.max())
        assert low == 0
        assert np.allclose(item.mean, value.mean((0, 2, 3)).numpy(), atol=0.15)


@pytest.mark.parametrize(("scale", "amiss"), [(1, False), (2, False), (0.5, False), (100, True)])
def test_samples_that_were_prepared_otherwise_are_told(network, scale, amiss):
    """
    Given: samples as in training, of another contrast, and a hundred times as large
    Result: the last are told, with how far they are off
    """
    example = torch.randn(8, 3, 8, 8)
    model = openvino.convert_model(network, example_input=example)
    norms = from_state(network.state_dict())
    trained, _ = derive(model, norms, lambda port: [key_of(port)], LAYERS)
    tools = tools_for("ir")
    samples = [{"image": scale * example[at : at + 1].numpy()} for at in range(8)]
    seen = collect(tools, model, tools.find_sites(model, ()), samples, 8)
    found = scale_of(seen, trained)
    assert (found is not None) == amiss
    if amiss:
        assert found == pytest.approx(scale, rel=0.8)
        assert "prepare them as in training" in told(found)


def test_a_source_without_batchnorm_derives_nothing():
    network = models.build(models.TwoInputs)
    assert not from_state(network.state_dict()).norms
