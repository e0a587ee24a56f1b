"""What is answered from the cache: the same step on the same content, and nothing else."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from running import cached

from optkit.core import versions
from optkit.core.code import _scan, code_digest
from optkit.engine.workplace import DEFAULT

WATCH = "model.doc_string = str(options.value)\nonnx.save(model, path)\nreturn Outcome(path)"
DATA = WATCH.replace("str(options.value)", "str(sum(x['image'].sum() for x in context.samples()))")


@pytest.fixture
def samples(tmp_path):
    def write(seed, name="samples"):
        image = np.random.default_rng(seed).standard_normal((10, 3, 8, 8)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", image=image)
        return str(tmp_path / f"{name}.npz")

    return write


def test_an_unchanged_step_is_answered_wherever_the_model_lies(
    plugin, convert, onnx_model, tmp_path
):
    plugin("watch", WATCH)
    first = convert(onnx_model, passes=["watch"])
    assert cached(first) == [False]
    assert cached(convert(onnx_model, passes=["watch"])) == [True]
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(onnx_model, tmp_path / "elsewhere" / "renamed.anything")
    again = convert(moved, passes=["watch"])
    assert cached(again) == [True]
    assert again.manifest["artifacts"] == first.manifest["artifacts"]
    assert again.manifest["validation"][0]["cached"]


def test_a_changed_weight(plugin, convert, onnx_model, tmp_path):
    plugin("watch", WATCH)
    convert(onnx_model, passes=["watch"])
    model = onnx.load(onnx_model)
    weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight.flat[0] = np.nextafter(weight.flat[0], np.float32(np.inf))
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(weight, model.graph.initializer[0].name)
    )
    onnx.save(model, tmp_path / "other.onnx")
    result = convert(tmp_path / "other.onnx", passes=["watch"])
    assert cached(result) == [False]
    assert not result.manifest["validation"][0]["cached"]


def test_a_changed_option(plugin, convert, onnx_model):
    plugin("watch", WATCH)
    convert(onnx_model, passes=["watch"])
    assert cached(convert(onnx_model, passes=[{"watch": {"value": 0}}])) == [True]
    assert cached(convert(onnx_model, passes=[{"watch": {"value": 1}}])) == [False]


def test_a_changed_seed(plugin, convert, onnx_model):
    plugin("watch", WATCH)
    convert(onnx_model, passes=["watch"])
    assert cached(convert(onnx_model, passes=["watch"], seed=1)) == [False]


def test_changed_calibration_data(plugin, convert, onnx_model, samples):
    plugin("watch", WATCH)
    plugin("measure", DATA, more=", uses_data=True")

    def steps(path):
        data = {"calibration": {"path": path}}
        result = convert(onnx_model, passes=["watch", "measure"], data=data)
        return [*cached(result), result.manifest["validation"][0]["cached"]]

    assert steps(samples(0)) == [False, False, False]
    assert steps(samples(0, "same_content")) == [True, True, True]
    assert steps(samples(1)) == [True, False, False]


def test_changed_validation_data(plugin, convert, onnx_model, samples):
    plugin("measure", DATA, more=", uses_data=True")

    def run(seed):
        data = {
            "calibration": {"path": samples(0)},
            "validation": {"path": samples(seed, "held_back")},
        }
        result = convert(onnx_model, passes=["measure"], data=data)
        return [*cached(result), result.manifest["validation"][0]["cached"]]

    assert run(1) == [False, False]
    assert run(1) == [True, True]
    assert run(2) == [True, False]


@pytest.mark.parametrize(
    "declared",
    [{"shape": [1, 3, 8, 8]}, {"shape": ["?", 3, 8, 8]}, {"layout": "NCHW"}],
    ids=["size", "dynamic", "layout"],
)
def test_a_changed_signature(declared, plugin, convert, tmp_path, samples):
    import models

    dynamic = models.onnx_file(models.ConvNet, tmp_path / "net.onnx", dynamic_batch=True)
    plugin("watch", WATCH)
    data = {"calibration": {"path": samples(0)}}

    def run(spec):
        model = {"path": str(dynamic), "inputs": [{"name": "image", **spec}]}
        result = convert(dynamic, model=model, passes=["watch"], data=data)
        return [*cached(result), result.manifest["validation"][0]["cached"]]

    assert run({"shape": [2, 3, 8, 8]}) == [False, False]
    assert run({"shape": [2, 3, 8, 8]}) == [True, True]
    other = {"shape": [2, 3, 8, 8], **declared}
    assert run(other) == [False, False]
    assert run(other) == [True, True]


def test_a_library_of_another_version(plugin, convert, onnx_model, monkeypatch):
    plugin("watch", WATCH)
    convert(onnx_model, passes=["watch"])
    real = versions.version
    monkeypatch.setattr(
        versions, "version", lambda name: "99.0" if name == "nncf" else real(name)
    )  # not what this pass needs
    assert cached(convert(onnx_model, passes=["watch"])) == [True]
    monkeypatch.setattr(versions, "version", lambda name: "99.0" if name == "onnx" else real(name))
    result = convert(onnx_model, passes=["watch"])
    assert cached(result) == [False]
    assert not result.manifest["validation"][0]["cached"]
    assert result.manifest["environment"]["versions"]["onnx"] == "99.0"


def test_changed_code_of_a_pass(plugin, convert, onnx_model, tmp_path):
    plugin("watch", "import helper\nmodel.doc_string = helper.TEXT\n" + WATCH.split("\n", 1)[1])
    helper = tmp_path / "plugins" / "helper.py"
    helper.write_text("TEXT = 'one'\n")

    def run(body=None):
        import sys

        sys.modules.pop("helper", None)
        plugin("watch", body or (tmp_path / "body").read_text())
        return convert(onnx_model, passes=["watch"])

    body = "import helper\nmodel.doc_string = helper.TEXT\nonnx.save(model, path)\n"
    (tmp_path / "body").write_text(body + "return Outcome(path)")
    first = run()
    assert cached(run()) == [True]
    changed = run(body + "return Outcome(path, reason='said so')")
    assert cached(changed) == [False]
    assert changed.manifest["steps"][0]["reason"] == "said so"
    helper.write_text("TEXT = 'two'\n")
    result = run()
    assert cached(result) == [False]
    assert result.manifest["artifacts"][0]["sha256"] != first.manifest["artifacts"][0]["sha256"]
    helper.write_text("TEXT = 'one'\n")
    assert cached(run()) == [True]


def test_changed_code_of_a_pickled_network(convert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "from torch import nn\n\n\nclass Net(nn.Linear):\n    factor = {}\n\n"
    code += "    def forward(self, x):\n        return super().forward(x) * self.factor\n"
    save = "import torch, net\ntorch.save(net.Net(4, 2), 'net.pt')"

    def written(factor):
        (tmp_path / "net.py").write_text(code.format(factor))
        code_digest.cache_clear()
        _scan.cache_clear()
        sys.modules.pop("net", None)
        network = {"path": "net.pt", "inputs": [{"shape": [1, 4]}]}
        wishes = replace(DEFAULT, trusted=True)
        return convert("net.pt", wishes, model=network, to=["onnx"])

    (tmp_path / "net.py").write_text(code.format(1))
    subprocess.run([sys.executable, "-c", save], cwd=tmp_path, check=True)
    first = written(1)
    assert all(cached(written(1)))
    other = written(2)
    assert not any(cached(other))
    assert other.manifest["artifacts"][0]["sha256"] != first.manifest["artifacts"][0]["sha256"]
