"""A command line in this process, its models and data, and what every refusal must keep to."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from processes import staged, tree
from torch import nn

from optkit.cli.main import run_command


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for every test that does not need a fresh one."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def place(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own."""
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(store))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models and data, written once; tests read them only."""
    folder = tmp_path_factory.mktemp("shelf")
    models.traced(models.ConvNet, folder / "traced.pt")
    models.scripted(models.ConvNet, folder / "scripted.pt")
    models.exported(models.ConvNet, folder / "exported.pt2")
    models.onnx_file(models.ConvNet, folder / "model.onnx")
    models.ir_file(models.ConvNet, folder / "model.xml")
    models.state_dict(models.ConvNet, folder / "weights.pt")
    models.safetensors_file(models.ConvNet, folder / "weights.safetensors")
    models.pickled(models.ConvNet, folder / "pickled.pt")
    random = np.random.default_rng(0)
    images = random.standard_normal((20, 3, 8, 8)).astype("float32")
    np.savez(folder / "data.npz", image=images, label=random.integers(0, 5, 20))
    return folder


@pytest.fixture
def optkit(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line here; what it wrote, on either stream."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run_command([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ended(int(code), out, err)

    return call


@pytest.fixture
def refused(optkit: Callable[..., Ended], place: Path, store: Path) -> Callable[..., None]:
    """Run a command line that must be refused before anything is written.

    `cause` and `fix` are the whole lines; an ellipsis stands for what a library says.
    """

    def check(*arguments: object, cause: str, fix: str, code: int = 2) -> None:
        before = tree(place)
        ended = optkit(*arguments)
        assert (ended.code, ended.out) == (code, ""), ended
        lines = ended.err.splitlines()
        assert len(lines) == 2, ended.err
        for line, wanted in zip(lines, (f"error: {cause}", f"  fix: {fix}"), strict=True):
            begin, _, end = wanted.partition("…")
            assert line == wanted or ("…" in wanted and line.startswith(begin)
                                      and line.endswith(end)), (line, wanted)  # fmt: skip
        assert "Traceback" not in ended.err
        assert tree(place) == before
        assert staged(store) == []

    return check


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A traced network of one megabyte: (1, 512) -> (1, 4)."""
    path = tmp_path_factory.mktemp("big") / "big.pt"
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 4)).eval()
    torch.jit.trace(network, torch.randn(1, 512)).save(str(path))
    return path


@pytest.fixture
def on_path(place: Path) -> Iterator[Path]:
    """The folder of the test, its modules forgotten afterwards."""
    known = set(sys.modules)
    yield place
    for name in set(sys.modules) - known:
        if name.startswith("mine"):
            del sys.modules[name]
