"""Train a small network on scikit-learn's handwritten digits and write the files of this example.

    pip install scikit-learn
    python train.py

makes beside this script, from a fixed seed and on one thread, in about half a minute:

    digits.pt         the network as TorchScript: image (1, 1, 8, 8) float32 in 0..1 -> 10 logits
    calibration.npz   image: 300 of the samples that it was trained on
    validation.npz    image, label: the 540 samples that it never saw
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
SEED = 0
EPOCHS = 30
BATCH = 64


class Digits(nn.Module):
    """Three convolutions and a linear layer; pooling takes 8x8 pixels to 4x4, then to one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, kernel_size=3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 128, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv3 = nn.Conv2d(128, 96, kernel_size=3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(96)
        self.classify = nn.Linear(96, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(image)))
        x = torch.relu(self.norm2(self.conv2(x)))
        x = torch.max_pool2d(x, 2)
        x = torch.relu(self.norm3(self.conv3(x)))
        x = x.mean(dim=(2, 3))
        return self.classify(x)


def load_data() -> list[np.ndarray]:
    """Return the images to train on, those to validate on, and the labels of both."""
    digits = load_digits()
    image = (digits.images / 16).astype(np.float32)[:, np.newaxis]  # (1797, 1, 8, 8), 0..1
    label = digits.target.astype(np.int64)
    return train_test_split(image, label, test_size=0.3, stratify=label, random_state=SEED)


def train(network: nn.Module, image: Tensor, label: Tensor) -> None:
    """Fit the network and leave it in evaluation mode."""
    cross_entropy = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    network.train()
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch in torch.randperm(len(image)).split(BATCH):
            loss = cross_entropy(network(image[batch]), label[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        print(f"epoch {epoch:2d} of {EPOCHS}: loss {total / len(image):.4f}")
    network.eval()


def accuracy(network: nn.Module, image: Tensor, label: Tensor) -> float:
    """Return the share of images whose largest logit is that of their label."""
    with torch.inference_mode():
        return (network(image).argmax(dim=1) == label).float().mean().item()


def save_torchscript(network: nn.Module, example: Tensor, path: Path) -> None:
    """Trace the network on one example and save it: the same bytes in whichever folder it is made.

    The debug records, which name the source files of this machine, and the digest over them are
    left out.
    """
    saved = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, example), saved)
    with zipfile.ZipFile(saved) as full, zipfile.ZipFile(path, "w") as lean:
        for name in full.namelist():
            if not name.endswith((".debug_pkl", "serialization_id")):
                lean.writestr(zipfile.ZipInfo(name), full.read(name))


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    train_image, validation_image, train_label, validation_label = load_data()

    network = Digits()
    train(network, torch.from_numpy(train_image), torch.from_numpy(train_label))
    unseen = torch.from_numpy(validation_image), torch.from_numpy(validation_label)
    print(f"accuracy on the validation samples: {accuracy(network, *unseen):.4f}")

    save_torchscript(network, torch.from_numpy(train_image[:1]), HERE / "digits.pt")
    np.savez_compressed(HERE / "calibration.npz", image=train_image[:300])
    np.savez_compressed(HERE / "validation.npz", image=validation_image, label=validation_label)


if __name__ == "__main__":
    main()
