"""Architectures from `transformers` and networks built for one pattern each, and their ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Tensor, ...]]
"""A network in evaluation mode, and one example of its inputs."""

Size = str
"""`tiny`, or `full` for the sizes in which the architectures are used."""

IDS = ("input_ids", "attention_mask", "token_type_ids")


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
                layer.bias.normal_(0, 0.1)
    return network.eval()


def _biased(network: nn.Module) -> nn.Module:
    """Biases as a trained network has them: a fresh one's are zeros, and vanish."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.LayerNorm):
                layer.bias.normal_(0, 0.02)
    return network.eval()


def resnet(size: Size, **options: Any) -> Made:
    """ResNet-50, the stride of a block on its 3x3 Conv."""
    import transformers

    small = {"hidden_sizes": [16, 32], "depths": [1, 1], "embedding_size": 8, "num_labels": 5}
    config = transformers.ResNetConfig(**(small if size == "tiny" else {}), **options)
    return varied(transformers.ResNetForImageClassification(config)), pixels(size, 32)


def resnet_stride_first(size: Size) -> Made:
    """ResNet-50 as first published: the stride of a block on its first 1x1 Conv."""
    return resnet(size, downsample_in_bottleneck=True)


def resnet_stride_last(size: Size) -> Made:
    """ResNet-50 with the stride of a block on its last 1x1 Conv."""
    network, example = resnet(size)
    for layer in network.modules():
        if type(layer).__name__ == "ResNetBottleNeckLayer":
            window, last = layer.layer[1].convolution, layer.layer[2].convolution
            window.stride, last.stride = last.stride, window.stride
    return network, example


def mobilenet(size: Size) -> Made:
    """MobileNetV2; tiny in its image alone."""
    import transformers

    config = transformers.MobileNetV2Config()
    return varied(transformers.MobileNetV2ForImageClassification(config)), pixels(size, 64)


def vit(size: Size) -> Made:
    """ViT-base."""
    import transformers

    small = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "image_size": 32, "patch_size": 8, "num_labels": 5,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.ViTConfig(**(small if size == "tiny" else {}))
    return _biased(transformers.ViTForImageClassification(config)), pixels(size, 32)


def bert(size: Size, **options: Any) -> Made:
    """BERT-base on one text, of 128 tokens where full."""
    import transformers

    small = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "vocab_size": 100, "max_position_embeddings": 64,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.BertConfig(**(small if size == "tiny" else {}), **options)
    ids = torch.randint(0, 100, (1, 16 if size == "tiny" else 128))
    network = _biased(transformers.BertModel(config))
    return network, (ids, torch.ones_like(ids), torch.zeros_like(ids))


def qkv(size: Size) -> Made:
    """Two layers of BERT: products for query, key and value side by side on one input."""
    return bert(size, **({} if size == "tiny" else {"num_hidden_layers": 2}))


class ScaleShift(nn.Module):
    """x·s + t per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(channels, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.randn(channels, 1, 1) / 10)

    def forward(self, image: Tensor) -> Tensor:
        return image * self.scale + self.shift


class SideBySide(nn.Module):
    """Equal Convs on the equal parts of a value's channels."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(groups)
        )

    def forward(self, image: Tensor) -> Tensor:
        parts = image.chunk(len(self.convs), 1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], 1)


def scale_shift(size: Size, channels: int = 64, side: int = 56) -> Made:
    """A scale and a shift before each of eight 1x1 Convs.

    A Conv's arithmetic per value grows with the channels, what it costs to scale does not.
    """
    if size == "tiny":
        channels, side = 8, 8
    return _in_a_row(
        [(ScaleShift(channels), nn.Conv2d(channels, channels, 1)) for _ in range(8)], channels, side
    )


def batchnorm_first(size: Size) -> Made:
    """A BatchNorm before each of eight 1x1 Convs."""
    channels, side = (8, 8) if size == "tiny" else (128, 28)
    return _in_a_row(
        [(nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 1)) for _ in range(8)],
        channels, side,
    )  # fmt: skip


def parallel_convs(size: Size, groups: int = 32, channels: int = 4, side: int = 28) -> Made:
    """Four times as many 3x3 Convs side by side as there are groups."""
    if size == "tiny":
        groups, channels, side = 4, 2, 8
    return _in_a_row([(SideBySide(groups, channels),) for _ in range(4)], groups * channels, side)


class Row(nn.Module):
    """A product written out, x·W + b, and a Linear behind it without an activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width) / width**0.5)
        self.bias = nn.Parameter(torch.randn(width) / 10)
        self.last = nn.Linear(width, width)

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(rows @ self.weight + self.bias)


class Written(Row):
    """The product alone."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.weight + self.bias


def products(size: Size) -> Made:
    """Products of (rows, width): written out, some with a second one behind that can be merged."""
    rows, width = (4, 8) if size == "tiny" else (64, 512)
    torch.manual_seed(0)
    layers = [
        layer for _ in range(4) for layer in (Row(width), nn.ReLU(), Written(width), nn.ReLU())
    ]
    return nn.Sequential(*layers).eval(), (torch.randn(rows, width),)


def _in_a_row(blocks: list[tuple[nn.Module, ...]], channels: int, side: int) -> Made:
    """The blocks, a ReLU after each."""
    layers = [layer for block in blocks for layer in (*block, nn.ReLU())]
    return varied(nn.Sequential(*layers)), (torch.randn(1, channels, side, side),)


def pixels(size: Size, side: int) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return (torch.randn(1, 3, *((side, side) if size == "tiny" else (224, 224))),)


ARCHITECTURES: dict[str, Callable[[Size], Made]] = {
    "resnet": resnet, "mobilenet": mobilenet, "vit": vit, "bert": bert,
}  # fmt: skip

PATTERNS: dict[str, Callable[[Size], Made]] = {
    "scale_shift": scale_shift,
    "scale_shift_wide": lambda size: scale_shift(size, 128, 28),
    "batchnorm_first": batchnorm_first,
    "stride_last": resnet_stride_last, "stride_first": resnet_stride_first,
    "parallel_convs": parallel_convs, "products": products, "qkv": qkv,
}  # fmt: skip


NETWORKS = {**ARCHITECTURES, **PATTERNS}


def exported(made: Made, path: Path, *, optimize: bool = True) -> Path:
    """ONNX by torch's exporter, as it comes by default or without its own optimizations."""
    network, example = made
    inputs = dict(zip(IDS, example, strict=True)) if len(example) > 1 else None
    torch.onnx.export(
        network, () if inputs else example, str(path), kwargs=inputs, dynamo=True,
        optimize=optimize, external_data=False, verbose=False,
    )  # fmt: skip
    return path
