"""No code of a model, a recipe or its data runs unless the user says so."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Refused = Callable[..., None]
ADD = "if you trust this model, add --trust-code"


class Trap:
    """Unpickling it writes a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch sprung",)


@pytest.fixture(params=["zip", "legacy"])
def trap(request: pytest.FixtureRequest, place: Path) -> str:
    torch.save(Trap(), place / "trap.pt", _use_new_zipfile_serialization=request.param == "zip")
    return "trap.pt"


def test_the_trap_would_spring(trap: str) -> None:
    torch.load(trap, weights_only=False)
    assert Path("sprung").exists()


def test_a_pickle_is_refused_by_every_command(refused: Refused, trap: str, shelf: Path) -> None:
    Path("recipe.yaml").write_text("optkit: 1\nmodel: {path: trap.pt}\nto: ir\n")
    cause = "'trap.pt' is a pickle that would import and run posix.system"
    for command in (
        ("convert", trap, "--to", "ir"),
        ("convert", trap, "--to", "ir", "--dry-run"),
        ("inspect", trap),
        ("bench", trap),
        ("validate", trap, "--reference", trap),
        ("plan", "recipe.yaml"),
        ("run", "recipe.yaml"),
    ):
        refused(*command, cause=cause, fix=ADD)
        assert not Path("sprung").exists(), command
    refused("validate", trap, "--reference", shelf / "model.onnx", cause=cause, fix=ADD)
    refused("bench", shelf / "model.onnx", trap, cause=cause, fix=ADD)
    assert not Path("sprung").exists()


def test_a_plain_pickle_is_no_model(refused: Refused) -> None:
    Path("trap.pkl").write_bytes(pickle.dumps(Trap()))
    refused(
        "inspect", "trap.pkl", cause="trap.pkl is no model that optkit reads, or it is truncated",
        fix="copy or download it again; optkit reads …",
    )  # fmt: skip
    assert not Path("sprung").exists()


def test_a_pickled_network_names_the_classes_it_would_build(refused: Refused, shelf: Path) -> None:
    refused(
        "convert", shelf / "pickled.pt", "--to", "ir",
        cause="'pickled.pt' is a pickle that would import and run models.ConvNet, …", fix=ADD,
    )  # fmt: skip


def test_weights_need_a_factory(refused: Refused, shelf: Path) -> None:
    for name in ("weights.pt", "weights.safetensors"):
        refused(
            "convert", shelf / name, "--to", "ir",
            cause=f"'{name}' holds weights without a network",
            fix="add `factory: package.module:make` to the recipe's model, or --factory "
            "package.module:make, with --trust-code",
        )  # fmt: skip


def test_the_users_own_code_needs_trust(refused: Refused, shelf: Path) -> None:
    Path("mine.py").write_text("open('sprung', 'w')\n")
    refused(
        "convert", shelf / "weights.pt", "--to", "ir", "--factory", "mine:make",
        cause="'mine:make' builds the network and would be imported and run, which was not allowed",
        fix="if you trust this code, add --trust-code",
    )  # fmt: skip
    refused(
        "convert", shelf / "traced.pt", "--to", "ir", "--data", "mine:samples",
        cause="'mine:samples' gives the samples and would be imported and run, which was not "
        "allowed",
        fix="if you trust this code, add --trust-code",
    )  # fmt: skip


FACTORIES = """
import models

number = 3

def make():
    return models.build(models.ConvNet)

def other():
    return models.build(models.Recurrent)

def gives_number():
    return 3

def fails():
    raise ValueError("no config")
"""
PLAIN = {
    "mine_nets:other": (
        "the weights in 'weights.pt' are not this network's: missing …",
        "check that the factory builds the network that was trained, with the same settings",
    ),
    "mine_nets:gives_number": (
        "mine_nets:gives_number gives 'int', no torch.nn.Module",
        "let it return the network itself",
    ),
    "mine_nets:fails": (
        "'mine_nets:fails' failed: ValueError: no config",
        "it is called without arguments and returns the network; mend it",
    ),
    "mine_nets:number": ("'mine_nets:number' is not callable", "name a function or a class"),
    "mine_nets:nothing": (
        "cannot import 'mine_nets:nothing': module 'mine_nets' has no attribute 'nothing'",
        "check the spelling and that it is installed",
    ),
    "mine_gone:make": (
        "cannot import 'mine_gone:make': No module named 'mine_gone'",
        "check the spelling and that it is installed",
    ),
    "mine_broken:make": (
        "importing 'mine_broken' failed: ZeroDivisionError: division by zero",
        "mend it until this works: python -c 'import mine_broken'",
    ),
    "mine_nets": (
        "--factory mine_nets: 'model.factory' cannot be 'mine_nets'",
        "factory: package.module:callable that builds the network for …",
    ),
}


@pytest.mark.parametrize("factory", PLAIN)
def test_a_wrong_factory(
    refused: Refused, shelf: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    Path("mine_nets.py").write_text(FACTORIES)
    Path("mine_broken.py").write_text("1 / 0\n")
    cause, fix = PLAIN[factory]
    refused(
        "convert", shelf / "weights.pt", "--to", "ir", "--trust-code", "--factory", factory,
        "--input", "1,3,8,8", cause=cause, fix=fix,
    )  # fmt: skip


def test_a_factory_builds_the_network(
    optkit: Callable[..., object], shelf: Path, on_path: Path
) -> None:
    Path("mine_nets.py").write_text(FACTORIES)
    ended = optkit(
        "convert", shelf / "weights.pt", "--to", "ir", "--trust-code", "--no-benchmark",
        "--factory", "mine_nets:make", "--input", "1,3,8,8",
    )  # fmt: skip
    assert ended.code == 0, ended.err


def test_a_whole_network_takes_no_factory(refused: Refused, shelf: Path) -> None:
    refused(
        "convert", shelf / "traced.pt", "--to", "ir", "--trust-code", "--factory", "mine:make",
        cause="traced.pt holds a whole network (torchscript): nothing is left for the factory "
        "'mine:make' to build",
        fix="leave the factory out",
    )  # fmt: skip


def test_a_pickled_network_finds_its_classes_beside_the_recipe(
    optkit: Callable[..., object], place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing but the model's own folder and the current one is known to a fresh process."""
    code = (
        "from torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n        self.layer = nn.Linear(4, 2)\n"
        "    def forward(self, x):\n        return self.layer(x)\n"
    )
    (place / "mine_own.py").write_text(code)
    save = "import torch, mine_own; torch.save(mine_own.Net(), 'net.pt')"
    subprocess.run([sys.executable, "-c", save], check=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (place / "net.pt").rename(elsewhere / "net.pt")
    ended = optkit(
        "convert", elsewhere / "net.pt", "--to", "ir", "--no-benchmark", "--trust-code",
        "--input", "x=1,4",
    )  # fmt: skip
    assert ended.code == 0, ended.err
