"""Small real networks, written to disk in every format; each builder gives the path it wrote."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from optkit.core.artifact import Artifact
from optkit.core.hashing import files_digest
from optkit.core.signature import Signature

IMAGE = (2, 3, 8, 8)
TOKENS = (2, 6)


class ConvNet(nn.Module):
    """Convolution, BatchNorm, ReLU, pooling, linear: (N, 3, 8, 8) -> (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.classify = nn.Linear(4, 5)

    def forward(self, image: Tensor) -> Tensor:
        return self.classify(self.norm(self.conv(image)).relu().mean((2, 3)))


class DictNet(ConvNet):
    """The same, returning a dict: logits (N, 5), features (N, 4)."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        features = self.norm(self.conv(image)).relu().mean((2, 3))
        return {"logits": self.classify(features), "features": features}


class NestedNet(ConvNet):
    """The same, returning a tuple with a tuple in it: ((N, 5), ((N, 4, 6, 6), (N, 4)))."""

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # type: ignore[override]
        hidden = self.norm(self.conv(image)).relu()
        pooled = hidden.mean((2, 3))
        return self.classify(pooled), (hidden, pooled)


class TwoInputs(nn.Module):
    """(N, 4) and (N, 5) -> a tuple of two (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(5, 3)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.first(left), self.second(right)
        return a + b, a - b


class TokenNet(nn.Module):
    """Token ids below 11 and an attention mask (N, S) -> (N, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.classify = nn.Linear(8, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.unsqueeze(-1).to(torch.float32)
        return self.classify((self.table(input_ids) * mask).sum(1) / mask.sum(1))


class LoopNet(nn.Module):
    """Control flow that only scripting keeps: (N, 4) -> (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        n = 0
        while n < 3:
            x = torch.tanh(self.step(x))
            n += 1
        return x * 2 if bool(x.sum() > 0) else x - 1


class Recurrent(nn.Module):
    """An LSTM over (N, 6, 4) -> (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.lstm(sequence)[0][:, -1]


def build(kind: type[nn.Module]) -> nn.Module:
    """A network from a fixed seed, in evaluation mode, its BatchNorm no identity."""
    torch.manual_seed(0)
    network = kind()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return network.eval()


def example(kind: type[nn.Module]) -> tuple[Tensor, ...]:
    """One legal input of a network, positional, batch 2."""
    torch.manual_seed(1)
    if kind is TokenNet:
        return torch.randint(0, 11, TOKENS), torch.ones(TOKENS, dtype=torch.int64)
    if kind is TwoInputs:
        return torch.randn(2, 4), torch.randn(2, 5)
    shapes = {LoopNet: (2, 4), Recurrent: (2, 6, 4)}
    return (torch.randn(shapes.get(kind, IMAGE)),)


def names(kind: type[nn.Module]) -> list[str]:
    """Input names of a network."""
    return list(kind.forward.__annotations__)[:-1]


def traced(kind: type[nn.Module], path: Path) -> Path:
    torch.jit.trace(build(kind), example(kind), strict=False).save(str(path))
    return path


def scripted(kind: type[nn.Module], path: Path) -> Path:
    torch.jit.script(build(kind)).save(str(path))
    return path


def exported(kind: type[nn.Module], path: Path, *, dynamic_batch: bool = False) -> Path:
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    shapes = dict.fromkeys(names(kind), batch) if dynamic_batch else None
    program = torch.export.export(build(kind), example(kind), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def onnx_file(kind: type[nn.Module], path: Path, *, dynamic_batch: bool = False) -> Path:
    """Exported by tracing, BatchNorm folded; outputs `output_0`, ... or `output`."""
    inputs = names(kind)
    axes = {name: {0: "batch"} for name in inputs} if dynamic_batch else None
    outputs = ["output_0", "output_1"] if kind is TwoInputs else ["output"]
    torch.onnx.export(
        build(kind), example(kind), str(path), dynamo=False, opset_version=18,
        input_names=inputs, output_names=outputs, dynamic_axes=axes,
    )  # fmt: skip
    return path


def ir_file(kind: type[nn.Module], path: Path) -> Path:
    """Straight from the traced network."""
    import openvino

    from optkit.formats import ir

    model = openvino.convert_model(build(kind), example_input=example(kind))
    ir.save(model, path)
    return path


def state_dict(kind: type[nn.Module], path: Path, *, zipped: bool = True) -> Path:
    torch.save(build(kind).state_dict(), path, _use_new_zipfile_serialization=zipped)
    return path


def safetensors_file(kind: type[nn.Module], path: Path) -> Path:
    from safetensors.torch import save_file

    save_file(build(kind).state_dict(), path)
    return path


def pickled(kind: type[nn.Module], path: Path, *, zipped: bool = True) -> Path:
    torch.save(build(kind), path, _use_new_zipfile_serialization=zipped)
    return path


def artifact(
    format_name: str,
    path: Path,
    *,
    signature: Signature | None = None,
    factory: str | None = None,
    trusted: bool = False,
) -> Artifact:
    """An artifact as the engine makes it, its signature read from the file unless given."""
    from optkit.catalogue import find_format

    files = find_format(format_name).files(path)
    size = sum(file.stat().st_size for file in files)
    bare = Artifact(format_name, path, files, Signature(), files_digest(files, path.parent), size,
                    factory=factory, trusted=trusted)  # fmt: skip
    face = find_format(format_name).signature(bare) if signature is None else signature
    return Artifact(format_name, path, files, face, bare.digest, size, factory=factory,
                    trusted=trusted)  # fmt: skip
