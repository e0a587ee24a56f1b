"""A store of one's own, small models, and passes as another distribution would bring them."""

import importlib
import os
import sys
from importlib import metadata

import models
import pytest

from optkit import catalogue
from optkit.core import code
from optkit.engine.run import run
from optkit.engine.workplace import DEFAULT
from optkit.recipe.load import from_flags

# Threads that spin while they wait starve each other where several processes share few cores.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

PASS = """
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from optkit.core.contract import Outcome, conversion, transform, unchanged
from optkit.core.errors import OptkitError, bad_input

class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    value: int = 0

@{declared}
def {name}(artifact, options, context):
    "A pass of somebody else's."
    import onnx
    model = onnx.load(artifact.path)
    path = context.output / "model.onnx"
{body}
"""
TRANSFORM = 'transform(Options, takes=("onnx",), needs=("onnx",){more})'


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """The folder of the store that everything in a test uses."""
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory):
    return models.onnx_file(models.ConvNet, tmp_path_factory.mktemp("onnx") / "net.onnx")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Bring in a pass as a distribution does: a module in a file, found by an entry point."""
    places = []
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(catalogue, "_plugins", lambda: tuple(places))

    def forget():
        for cached in (catalogue.find_pass, catalogue.pass_names, code.code_digest, code._scan):
            cached.cache_clear()

    def bring(name, body, more="", declared=None):
        body = "\n".join(f"    {line}" for line in body.strip().splitlines())
        declared = declared or TRANSFORM.format(more=more)
        (folder / f"{name}.py").write_text(PASS.format(name=name, body=body, declared=declared))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        forget()
        point = metadata.EntryPoint(name, f"{name}:{name}", "optkit.passes")
        if point not in places:
            places.append(point)
        return name

    yield bring
    for point in places:
        sys.modules.pop(point.name, None)
    forget()


@pytest.fixture
def convert(tmp_path):
    """Run a recipe on a model, quickly; its keys are the recipe's."""

    def go(path, /, wishes=DEFAULT, listen=lambda _: None, output=tmp_path / "out", **recipe):
        content = {"optkit": 1, "model": {"path": str(path)}, "benchmark": False, **recipe}
        return run(from_flags(content), output, wishes, listen)

    return go
