"""Same input, options and versions give the same bytes, whatever the process did before."""

import json
import subprocess
import sys

import pytest
from running import DIGITS, content

# One process that makes everything asked for, in order; each on a store of its own.
SCRIPT = """
import json, os, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from optkit.engine.run import run
from optkit.engine.workplace import Wishes
from optkit.recipe.load import from_flags
for number, wanted in enumerate(json.loads(sys.argv[1])):
    with tempfile.TemporaryDirectory() as store:
        os.environ["OPTKIT_CACHE_DIR"] = store
        loaded = from_flags({"optkit": 1, "benchmark": False, **wanted["recipe"]})
        run(loaded, Path(wanted["out"]), Wishes(trusted=True))
"""
DATA = {"calibration": {"path": str(DIGITS / "calibration.npz")}}
MODULE = {"inputs": [{"name": "input", "shape": [2, 3, 8, 8], "dtype": "float32"}],
          "factory": "factory:make"}  # fmt: skip
FACTORY = """
import torch
def make():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten())
"""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """What to make: every format and precision, from TorchScript and from Python code."""
    place = tmp_path_factory.mktemp("module")
    (place / "factory.py").write_text(FACTORY)
    script = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); from factory import make;"
        "torch.manual_seed(0); torch.save(make().state_dict(), sys.argv[1] + '/net.pt')"
    )
    subprocess.run([sys.executable, "-c", script, str(place)], check=True)
    digits = {"path": str(DIGITS / "digits.pt")}
    network = {"path": str(place / "net.pt"), **MODULE}
    every = [
        {"model": digits, "to": ["ir", "onnx"], "data": DATA},
        {"model": digits, "to": ["ir", "onnx"], "data": DATA, "precision": "int8"},
        {"model": digits, "to": ["ir", "onnx"], "data": DATA, "precision": "fp16"},
        {"model": digits, "to": "exported"},
        {"model": digits, "to": "torchscript", "passes": ["fuse_batchnorm"]},
        {"model": network, "to": ["torchscript", "exported", "onnx", "ir"]},
        {"model": network, "to": "torchscript", "passes": [{"trace": {"freeze": True}}]},
        {"model": network, "to": "onnx", "passes": ["export_program"]},
    ]
    return place, every


def start(wanted, place, folder):
    asked = [{"recipe": recipe, "out": str(folder / str(name))} for name, recipe in wanted]
    command = [sys.executable, "-c", SCRIPT, json.dumps(asked), str(place)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)


def test_the_bytes_hang_on_the_input_alone(wanted, tmp_path):
    """One process makes everything forwards, another backwards: no model is equally aged."""
    place, recipes = wanted
    numbered = list(enumerate(recipes))
    one, two = tmp_path / "one", tmp_path / "a" / "longer" / "path"
    one.mkdir()
    two.mkdir(parents=True)
    runs = [start(numbered, place, one), start(numbered[::-1], place, two)]
    for run in runs:
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
    for number, recipe in numbered:
        left, right = (content(folder / str(number)) for folder in (one, two))
        assert left.keys() == right.keys()
        assert left
        for name in left:
            assert left[name] == right[name], (recipe, name)
            assert str(one).encode() not in left[name], (recipe, name)
