"""Small networks trained on scikit-learn's digits to more than 97 % accuracy; trained once, kept.

A random network's accuracy means nothing; these have one to lose.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

ACCURACY = 0.97


class PlainCNN(nn.Module):
    """Three convolutions with BatchNorm and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(1, 32), *_block(32, 64), nn.MaxPool2d(2), *_block(64, 64),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.classify = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.body(image))


class DepthwiseCNN(nn.Module):
    """Depthwise and pointwise convolutions in turn, with ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_block(1, 32, act=nn.ReLU6)]
        for width, out in ((32, 48), (48, 64), (64, 96)):
            layers += [*_block(width, width, groups=width, act=nn.ReLU6)]
            layers += [*_block(width, out, kernel=1, act=nn.ReLU6)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classify = nn.Linear(96, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.body(image))


class Residual(nn.Module):
    """x + Conv(ReLU(Conv(x))), a shortcut convolution where the width changes."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_block(width, out), *_block(out, out)[:2])
        self.shortcut = nn.Sequential(*_block(width, out, kernel=1)[:2]) if width != out else None

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + (self.shortcut(x) if self.shortcut else x))


class ResidualNet(nn.Module):
    """A stem and four residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_block(1, 24))
        self.blocks = nn.Sequential(
            Residual(24, 24), Residual(24, 48), nn.MaxPool2d(2), Residual(48, 48), Residual(48, 64)
        )
        self.classify = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.blocks(self.stem(image)).mean((2, 3)))


class Layer(nn.Module):
    """A transformer's layer, attention written out, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.merge = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        query, key, value = (self._split(f(y)) for f in (self.query, self.key, self.value))
        score = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        mixed = (torch.softmax(score, -1) @ value).transpose(1, 2)
        x = x + self.merge(mixed.reshape(mixed.shape[0], mixed.shape[1], -1))
        return x + self.narrow(nn.functional.gelu(self.wide(self.after(x))))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class Transformer(nn.Module):
    """Patches of 2x2 pixels through three layers: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 48, 2, stride=2)
        self.place = nn.Parameter(torch.randn(1, 16, 48) * 0.1)
        self.layers = nn.Sequential(*(Layer(48, 4) for _ in range(3)))
        self.norm = nn.LayerNorm(48)
        self.classify = nn.Linear(48, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2) + self.place
        return self.classify(self.norm(self.layers(x)).mean(1))


NETS: dict[str, Callable[[], nn.Module]] = {
    "cnn": PlainCNN, "depthwise": DepthwiseCNN, "residual": ResidualNet,
    "transformer": Transformer,
}  # fmt: skip


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 8, 8) float32 of zero mean and unit variance, labels (N,) int64."""

    train: np.ndarray
    train_label: np.ndarray
    test: np.ndarray
    test_label: np.ndarray


@cache
def digits() -> Digits:
    """Two thirds to train and calibrate on, the rest to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    image = ((data.images / 16 - 0.305) / 0.376).astype("f4")[:, None]
    a, b, c, d = train_test_split(
        image, data.target.astype("i8"), test_size=0.33, stratify=data.target, random_state=0
    )
    return Digits(a, c, b, d)


def trained(name: str, seed: int = 0) -> nn.Module:
    """The network, trained in a few seconds or read from where it was kept.

    Kept for the session of tests under the temporary folder, by what decides the weights.
    """
    network = NETS[name]().eval()
    path = _kept(name, seed)
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network
    network = _train(NETS[name], seed)
    part = path.with_suffix(f".{os.getpid()}")
    torch.save(network.state_dict(), part)
    part.replace(path)
    return network


def accuracy(logits: np.ndarray) -> float:
    """Of logits for the test images."""
    return float((logits.argmax(1) == digits().test_label).mean())


def _kept(name: str, seed: int) -> Path:
    import hashlib

    code = hashlib.sha256(Path(__file__).read_bytes() + torch.__version__.encode()).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"optkit-digits-{os.getuid()}-{code[:12]}"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}-{seed}.pt"


def _train(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # faster on networks this small, and the same everywhere
    torch.manual_seed(seed)
    network, data = make(), digits()
    image, label = torch.from_numpy(data.train), torch.from_numpy(data.train_label)
    steps, rows = (700 if make is Transformer else 200), 64
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(steps):
        index = torch.randint(0, len(label), (rows,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(image[index]), label[index]).backward()
        optimizer.step()
        rate.step()
    network.eval()
    torch.set_num_threads(threads)
    with torch.no_grad():
        logits = network(torch.from_numpy(data.test)).numpy()
    assert accuracy(logits) > ACCURACY, accuracy(logits)
    return network


def _block(
    width: int, out: int, *, kernel: int = 3, groups: int = 1, act: type[nn.Module] = nn.ReLU
) -> list[nn.Module]:
    conv = nn.Conv2d(width, out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), act()]
