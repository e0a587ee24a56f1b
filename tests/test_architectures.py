"""Real architectures by `optkit convert`, from a model file to a verified one.

Tiny configurations run always; the ones of full size, with `-m slow`, take minutes each and the
weights are random: what counts is that every operation is quantized and the proof holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from optkit.cli.main import run_command

transformers = pytest.importorskip("transformers")

IDS = ("input_ids", "attention_mask", "token_type_ids")
OPEN = [f"{name}=?,?:int64" for name in IDS]
BOUNDED = [f"{name}=1..8,2..64:int64" for name in IDS]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(tmp_path_factory.mktemp("store")))
        yield


def varied(network: nn.Module) -> nn.Module:
    """Weights so that outputs vary: a fresh network's may be next to constant."""
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.uniform_(0.5, 1.5)
    return network.eval()


def resnet(size: str) -> tuple[nn.Module, torch.Tensor]:
    small = {"hidden_sizes": [16, 32], "depths": [1, 1], "embedding_size": 8, "num_labels": 5}
    config = transformers.ResNetConfig(**(small if size == "tiny" else {}))
    return varied(transformers.ResNetForImageClassification(config)), pixels(size, 32)


def mobilenet(size: str) -> tuple[nn.Module, torch.Tensor]:
    config = transformers.MobileNetV2Config()
    return varied(transformers.MobileNetV2ForImageClassification(config)), pixels(size, 64)


def vit(size: str) -> tuple[nn.Module, torch.Tensor]:
    small = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "image_size": 32, "patch_size": 8, "num_labels": 5,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.ViTConfig(**(small if size == "tiny" else {}))
    return transformers.ViTForImageClassification(config).eval(), pixels(size, 32)


def bert(size: str) -> nn.Module:
    small = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "vocab_size": 100, "max_position_embeddings": 64,
    }  # fmt: skip
    torch.manual_seed(0)
    return transformers.BertModel(
        transformers.BertConfig(**(small if size == "tiny" else {}))
    ).eval()


def pixels(size: str, side: int) -> torch.Tensor:
    return torch.randn(1, 3, *(side, side) if size == "tiny" else (224, 224))


def tokens() -> tuple[torch.Tensor, ...]:
    ids = torch.randint(0, 100, (2, 16))
    return ids, torch.ones_like(ids), torch.zeros_like(ids)


def traced(network: nn.Module, example: Any, path: Path) -> Path:
    torch.jit.trace(network, example, strict=False).save(str(path))
    return path


def exported_bert(size: str, path: Path) -> Path:
    batch, length = torch.export.Dim("batch", max=8), torch.export.Dim("length", min=2, max=64)
    inputs = dict(zip(IDS, tokens(), strict=True))
    dims = {name: {0: batch, 1: length} for name in IDS}
    torch.export.save(torch.export.export(bert(size), (), kwargs=inputs, dynamic_shapes=dims), path)
    return path


def convert(model: Path, capsys: Any, to: str, precision: str, inputs: Any = ()) -> dict[str, Any]:
    """`optkit convert`: the manifest, held against what every run must show."""
    folder = model.with_name(f"{model.name}-{to}-{precision}")
    flags = [word for spec in inputs for word in ("--input", spec)]
    code = run_command([
        "convert", str(model), "--to", to, "--precision", precision, *flags,
        "--no-benchmark", "--json", "-o", str(folder),
    ])  # fmt: skip
    manifest: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == 0, manifest.get("error") or manifest["gates"]
    (artifact,) = manifest["artifacts"]
    achieved = artifact["precision"]["achieved"]
    assert achieved.keys() == {precision}, "an operation was left in another precision"
    (row,) = manifest["validation"]
    assert [output["verdict"] for output in row["outputs"]] == ["compared"] * len(row["outputs"])
    return manifest


def model_type(manifest: dict[str, Any]) -> str:
    return next(
        step["details"]["model_type"] for step in manifest["steps"]
        if step["pass"] == "quantize_int8"
    )  # fmt: skip


SIZES = ["tiny", pytest.param("full", marks=pytest.mark.slow)]


@pytest.mark.parametrize(
    ("make", "size", "operations", "kind"),
    [
        (resnet, "tiny", 10, "cnn"),
        (vit, "tiny", 14, "transformer"),
        pytest.param(resnet, "full", 54, "cnn", marks=pytest.mark.slow),
        pytest.param(mobilenet, "full", 53, "cnn", marks=pytest.mark.slow),
        pytest.param(vit, "full", 74, "transformer", marks=pytest.mark.slow),
    ],
)
def test_image_networks(tmp_path, capsys, make, size, operations, kind):
    path = traced(*make(size), tmp_path / "net.pt")
    plain = convert(path, capsys, "ir", "fp32")
    small = convert(path, capsys, "ir", "int8")
    for manifest in (plain, small):
        assert [spec["name"] for spec in manifest["model"]["inputs"]] == ["pixel_values"]
        assert [spec["name"] for spec in manifest["model"]["outputs"]] == ["logits"]
    assert small["artifacts"][0]["precision"]["achieved"] == {"int8": operations}
    assert model_type(small) == kind


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("inputs", [OPEN, BOUNDED], ids=["open", "bounded"])
def test_bert_from_torchscript(tmp_path, capsys, inputs, size):
    path = traced(bert(size), tokens(), tmp_path / "bert.pt")
    convert(path, capsys, "ir", "fp32", inputs)
    small = convert(path, capsys, "ir", "int8", inputs)
    assert [spec["name"] for spec in small["model"]["inputs"]] == list(IDS)
    layers = {"tiny": 2, "full": 12}[size]
    assert small["artifacts"][0]["precision"]["achieved"] == {"int8": 6 * layers + 1}
    assert model_type(small) == "transformer"


@pytest.mark.parametrize("size", SIZES)
def test_bert_from_an_exported_program(tmp_path, capsys, size):
    path = exported_bert(size, tmp_path / "bert.pt2")
    convert(path, capsys, "ir", "fp32")
    small = convert(path, capsys, "ir", "int8")
    shapes = [spec["shape"] for spec in small["model"]["inputs"]]
    assert shapes == [["1..8", "2..64"]] * 3
    names = [spec["name"] for spec in small["model"]["outputs"]]
    assert names == ["last_hidden_state", "pooler_output"]


@pytest.mark.parametrize("to", ["ir", "onnx"])
def test_a_network_that_returns_a_dict(tmp_path, capsys, to):
    import models

    path = models.traced(models.DictNet, tmp_path / "dict.pt")
    manifest = convert(path, capsys, to, "fp32")
    assert [row["name"] for row in manifest["validation"][0]["outputs"]] == ["logits", "features"]


@pytest.mark.parametrize("to", ["ir", "onnx"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_loops_and_branches(tmp_path, capsys, to, precision):
    import models

    path = models.scripted(models.LoopNet, tmp_path / "loop.pt")
    convert(path, capsys, to, precision, ["2,4:float32"])


@pytest.mark.parametrize("to", ["exported", "onnx", "ir"])
def test_from_torchscript_to_everything(tmp_path, capsys, to):
    import models

    path = models.traced(models.TwoInputs, tmp_path / "two.pt")
    manifest = convert(path, capsys, to, "fp32", ["left=1,4:float32", "right=1,5:float32"])
    assert [spec["name"] for spec in manifest["model"]["inputs"]] == ["left", "right"]
