"""Which tensor goes wrong: in real networks, one layer of which was broken, across formats."""

import functools
from dataclasses import replace

import models
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from optkit.catalogue import runtime_of
from optkit.core.signature import Signature, TensorSpec
from optkit.data.synthesise import synthesise
from optkit.validate.blame import blame
from optkit.validate.probing import open_probe
from optkit.validate.sketch import Room, parts


class Residual(nn.Module):
    """Two convolutions with BatchNorm beside a shortcut: (N, 3, 8, 8) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.classify = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu_(self.stem(image))  # writes into what was computed before
        x = x + self.second(self.norm(self.first(x)).relu())
        return self.classify(x.relu().mean((2, 3)))


class Attention(nn.Module):
    """Two blocks of attention and MLP on token ids: (N, S) -> (N, S, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 16)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(16, 5)

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.table(input_ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.before, self.between = nn.LayerNorm(16), nn.LayerNorm(16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        scores = self.query(y) @ self.key(y).transpose(1, 2) / 4
        x = x + scores.softmax(-1) @ self.value(y)
        return x + self.down(nn.functional.gelu(self.up(self.between(x))))


class Looped(nn.Module):
    """A layer, a loop over another, a third: (N, 4) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 6), nn.Linear(6, 5)
        self.step = nn.Linear(6, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        while bool(x.abs().max() > 0.05):
            x = torch.tanh(self.step(x)) * 0.5
        return self.leave(x * 100)


INPUTS = {
    Looped: TensorSpec("x", (2, 4), "float32"),
    Residual: TensorSpec("image", (2, 3, 8, 8), "float32"),
    Attention: TensorSpec("input_ids", (2, 6), "int64"),
}
MAKERS = {
    "torchscript": "net.pt", "exported": "net.pt2", "onnx": "net.onnx", "ir": "net.xml",
    "module": "net.pth",
}  # fmt: skip


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """A network in a file, one layer's weights in another order; each is made once."""
    return functools.cache(lambda *what: made(*what, tmp_path_factory.mktemp("net")))


def made(kind, format_name, broken, folder):
    network = models.build(kind)
    if broken:
        weight = network.get_submodule(broken).weight
        with torch.no_grad():
            weight.copy_(weight.flip(0) * 1.5)
    path = folder / MAKERS[format_name]
    spec = INPUTS[kind]
    example = torch.from_numpy(samples(kind).read(0)[spec.name])
    if format_name == "torchscript" and kind is Looped:
        torch.jit.script(network).save(str(path))
    elif format_name == "torchscript":
        torch.jit.trace(network, example).save(str(path))
    elif format_name == "exported":
        torch.export.save(torch.export.export(network, (example,)), path)
    elif format_name == "module":
        torch.save(network, path)
    elif format_name == "onnx":
        network = torch.jit.script(network) if kind is Looped else network
        torch.onnx.export(network, (example,), str(path), dynamo=False, opset_version=18,
                          input_names=[spec.name], output_names=["output"])  # fmt: skip
    else:
        import openvino

        from optkit.formats import ir

        model = openvino.convert_model(torch.jit.trace(network, example), example_input=example)
        ir.save(model, path)
    face = Signature((spec,), (TensorSpec("output"),))
    return models.artifact(format_name, path, signature=face, trusted=True)


def samples(kind, count=3):
    return synthesise((INPUTS[kind],), count, 0, {"input_ids": 16})


def found(kind, reference, candidate, bound=0.99, room=None, openings=None):
    data = samples(kind)

    def probe(given):
        looked = open_probe(given, runtime_of(given.format)[0], data.read(0))
        if openings is None:
            return looked

        def opened(keys):
            openings.append(len(keys))
            return looked.open(keys)

        return replace(looked, open=opened)

    same = lambda arrays: arrays  # noqa: E731
    return blame(
        probe(reference), probe(candidate), (same, same), data, bound, lambda *_: None, room
    )


def first(findings):
    (suspect,) = [one for one in findings.suspects if one.first]
    return suspect


@pytest.mark.parametrize("other", ["torchscript", "exported", "onnx", "ir", "module"])
@pytest.mark.parametrize(("kind", "broken"), [(Residual, "second"), (Attention, "blocks.1.value")])
def test_the_broken_layer_is_named(kind, broken, other, artifact):
    """
    Given: a network, and its like in another format with one layer's weights in another order
    Result: that layer is the first below the bound, and adds most to the loss
    """
    source = "exported" if other == "torchscript" else "torchscript"
    reference = artifact(kind, source, None)
    findings = found(kind, reference, artifact(kind, other, broken))
    suspect = first(findings)
    assert suspect.layer == broken
    assert suspect.rank == 1
    assert suspect.parity.cosine < 0.99
    assert suspect.inputs_sqnr_db > 90


@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("other", ["exported", "onnx", "ir", "module"])
def test_equal_networks_have_no_suspect(kind, other, artifact):
    reference = artifact(kind, "torchscript", None)
    findings = found(kind, reference, artifact(kind, other, None))
    assert not [one for one in findings.suspects if one.below]
    assert max(one.noise for one in findings.suspects) < 1e-9
    assert len(findings.suspects) >= 5
    assert findings.nan == (None, None)


def test_few_tensors_are_held_at_once(artifact):
    """A room of 4 tensors: no more are asked of either model at a time, and nothing is missed."""
    reference = artifact(Attention, "torchscript", None)
    wrong = artifact(Attention, "onnx", "blocks.0.down")
    openings = []
    narrow = found(Attention, reference, wrong, room=Room(4, 1 << 28), openings=openings)
    assert max(openings) <= 4
    assert sum(openings) > 60
    wide = found(Attention, reference, wrong)
    assert first(narrow).layer == first(wide).layer == "blocks.0.down"
    assert len(narrow.suspects) == len(wide.suspects)


def test_parts_have_room():
    """Cut by number and by bytes; what is larger than the room stands alone."""
    sizes = {"a": 10, "b": 10, "c": 50, "d": 200, "e": 10}
    assert parts(sizes, Room(2, 100)) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert parts(sizes, Room(3, 100)) == [["a", "b", "c"], ["d"], ["e"]]
    assert parts(sizes, Room(9, 1)) == [[key] for key in sizes]


def test_nan_is_named_where_it_first_appears(artifact, tmp_path):
    reference = artifact(Residual, "onnx", None)
    model = onnx.load(reference.path)
    weight = next(one for one in model.graph.initializer if one.name == "second.weight")
    values = numpy_helper.to_array(weight).copy()
    values[0, 0, 0, 0] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "net.onnx")
    face = reference.signature
    wrong = models.artifact("onnx", tmp_path / "net.onnx", signature=face)
    findings = found(Residual, reference, wrong)
    assert findings.nan[0] is None
    assert findings.nan[1] == ("/second/Conv_output_0", "Conv", "NaN")
    assert first(findings).tensor == "/second/Conv_output_0"
    assert "NaN" in first(findings).parity.problem


def test_one_badly_quantized_layer(artifact, tmp_path):
    """
    Given: IR quantized to INT8, the activation range of one FakeQuantize a hundredth of its own
    Result: that FakeQuantize is the first below the bound, not the layers that are merely rounded
    """
    import nncf
    import openvino

    from optkit.formats import ir

    reference = artifact(Residual, "torchscript", None)
    given = artifact(Residual, "ir", None)
    data = nncf.Dataset([samples(Residual).read(i)["image"] for i in range(3)])
    small = nncf.quantize(openvino.Core().read_model(given.path), data)
    spoilt = next(node for node in small.get_ordered_ops()
                  if node.get_type_name() == "FakeQuantize"
                  and node.input_value(0).get_node().get_type_name() == "Add"
                  and len(node.input_value(0).get_partial_shape()) == 4)  # fmt: skip
    for place in (1, 2, 3, 4):
        constant = spoilt.input_value(place).get_node()
        narrow = openvino.opset13.constant((constant.data / 100).astype(np.float32))
        spoilt.input(place).replace_source_output(narrow.output(0))
    (tmp_path / "small").mkdir()
    ir.save(small, tmp_path / "small" / "net.xml")
    wrong = models.artifact("ir", tmp_path / "small" / "net.xml", signature=given.signature)
    suspect = first(found(Residual, reference, wrong, bound=0.95))
    assert suspect.tensor.startswith(spoilt.get_friendly_name().rpartition("_")[0])
    assert suspect.operation == "FakeQuantize"
    assert suspect.matched == "quantized"
    assert suspect.inputs_sqnr_db > 20


def test_weights_in_a_file_beside_the_graph(artifact, tmp_path):
    """
    Given: ONNX whose weights lie in external data, one layer's in another order
    Result: that layer is named
    """
    model = onnx.load(artifact(Residual, "onnx", "second").path)
    path = tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert path.stat().st_size < (tmp_path / "net.data").stat().st_size
    face = artifact(Residual, "onnx", None).signature
    wrong = models.artifact("onnx", path, signature=face)
    assert first(found(Residual, artifact(Residual, "torchscript", None), wrong)).layer == "second"


@pytest.mark.parametrize("broken", ["second", None])
def test_weights_in_half_precision(artifact, tmp_path, broken):
    """
    Given: IR whose weights are in FP16, widened where they are used
    Result: a layer whose weights are in another order is named; none where all are merely rounded
    """
    from optkit.formats import ir

    given = artifact(Residual, "ir", broken)
    ir.save(ir.load(given), tmp_path / "net.xml", compress_to_fp16=True)
    half = models.artifact("ir", tmp_path / "net.xml", signature=given.signature)
    findings = found(Residual, artifact(Residual, "torchscript", None), half)
    assert [one.layer for one in findings.suspects if one.first] == [broken] * bool(broken)
    assert len(findings.suspects) >= 5


@pytest.mark.parametrize("broken", ["enter", "leave"])
def test_a_network_with_a_loop(artifact, broken):
    """
    Given: a loop that runs as long as its values say, and a wrong layer before or behind it
    Result: that layer is named; what is inside the loop is not looked at
    """
    reference = artifact(Looped, "torchscript", None)
    suspect = first(found(Looped, reference, artifact(Looped, "onnx", broken)))
    assert suspect.layer == broken
    assert suspect.inputs_sqnr_db > 90
