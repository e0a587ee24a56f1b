"""Small nets trained on scikit-learn's digits, for what pruning does to their accuracy."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

CHANNELS = (64, 128, 96)


class Plain(nn.Module):
    """Three convolutions with BatchNorm and a linear layer: (N, 1, S, S) -> (N, 10)."""

    def __init__(self, channels: tuple[int, int, int] = CHANNELS) -> None:
        super().__init__()
        first, second, third = channels
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(first)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(second)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(third)
        self.classify = nn.Linear(third, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(image)))
        x = torch.relu(self.norm2(self.conv2(x)))
        x = torch.max_pool2d(x, 2)
        x = torch.relu(self.norm3(self.conv3(x)))
        return self.classify(x.mean(dim=(2, 3)))


class Residual(nn.Module):
    """Two residual blocks, the second depthwise: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()

        def conv(given: int, made: int, size: int, groups: int = 1) -> nn.Sequential:
            layer = nn.Conv2d(given, made, size, padding=size // 2, groups=groups, bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(made))

        self.stem = conv(1, width, 3)
        self.first = nn.Sequential(conv(width, width, 3), nn.ReLU(), conv(width, width, 3))
        self.second = nn.Sequential(
            conv(width, 2 * width, 1), nn.ReLU6(), conv(2 * width, 2 * width, 3, 2 * width),
            nn.ReLU6(), conv(2 * width, width, 1),
        )  # fmt: skip
        self.classify = nn.Linear(width, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.stem(image))
        x = torch.relu(x + self.first(x))
        x = torch.max_pool2d(x, 2)
        x = x + self.second(x)
        return self.classify(x.mean(dim=(2, 3)))


class Attentive(nn.Module):
    """A small transformer over rows of pixels: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self, width: int = 64, heads: int = 8, layers: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Linear(8, width)
        self.place = nn.Parameter(0.02 * torch.randn(1, 8, width))
        self.layers = nn.ModuleList(
            nn.ModuleDict({
                "before": nn.LayerNorm(width), "qkv": nn.Linear(width, 3 * width),
                "out": nn.Linear(width, width), "after": nn.LayerNorm(width),
                "up": nn.Linear(width, 4 * width), "down": nn.Linear(4 * width, width),
            })
            for _ in range(layers)
        )  # fmt: skip
        self.last = nn.LayerNorm(width)
        self.classify = nn.Linear(width, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.embed(image.flatten(1, 2)) + self.place
        batch, length, width = x.shape
        for layer in self.layers:
            split = layer["qkv"](layer["before"](x)).reshape(batch, length, 3, self.heads, -1)
            q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v)
            x = x + layer["out"](mixed.transpose(1, 2).reshape(batch, length, width))
            x = x + layer["down"](torch.nn.functional.gelu(layer["up"](layer["after"](x))))
        return self.classify(self.last(x).mean(1))


@cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images to train on and to judge by, 0 to 1, shape (N, 1, 8, 8), and the labels of both."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    image = (found.images / 16).astype(np.float32)[:, None]
    parts = train_test_split(
        image, found.target.astype(np.int64), test_size=0.3, stratify=found.target, random_state=0
    )
    train, judged, labels, true = map(torch.from_numpy, parts)
    return train, judged, labels, true


def larger(image: Tensor, size: int) -> Tensor:
    """Images at another resolution: what makes a net compute more, and stay the same net."""
    return torch.nn.functional.interpolate(image, size=(size, size), mode="nearest")


@cache
def trained(
    kind: type[nn.Module], seed: int = 0, epochs: int = 12, size: int = 8, **options: object
) -> nn.Module:
    """A net after a few epochs on the digits, in evaluation mode."""
    torch.manual_seed(seed)
    network = kind(**options)
    train, _, labels, _ = digits()
    train = larger(train, size) if size != 8 else train
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    network.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(train)).split(64):
            optimizer.zero_grad()
            loss(network(train[chosen]), labels[chosen]).backward()
            optimizer.step()
        schedule.step()
    return network.eval()


def accuracy(outputs: Tensor) -> float:
    """The share of the images to judge by that outputs (N, 10) are right about."""
    return float((outputs.argmax(1) == digits()[3]).float().mean())
