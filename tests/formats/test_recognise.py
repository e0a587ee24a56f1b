"""Every file is recognised by exactly one format; what is no model by none."""

import random
import subprocess
import sys

import models
import pytest

from optkit.catalogue import find_format, format_names


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    return {
        "traced": ("torchscript", models.traced(models.ConvNet, folder / "traced.pt")),
        "scripted": ("torchscript", models.scripted(models.LoopNet, folder / "scripted.pt")),
        "exported": ("exported", models.exported(models.ConvNet, folder / "exported.pt2")),
        "onnx": ("onnx", models.onnx_file(models.ConvNet, folder / "model.onnx")),
        "ir": ("ir", models.ir_file(models.ConvNet, folder / "model.xml")),
        "weights": ("module", models.state_dict(models.ConvNet, folder / "weights.pt")),
        "old": ("module", models.state_dict(models.ConvNet, folder / "old.pt", zipped=False)),
        "safe": ("module", models.safetensors_file(models.ConvNet, folder / "a.safetensors")),
        "pickled": ("module", models.pickled(models.ConvNet, folder / "pickled.pt")),
    }


def recognised(path):
    return [name for name in format_names() if find_format(name).recognise(path)]


@pytest.mark.parametrize(
    "kind",
    ["traced", "scripted", "exported", "onnx", "ir", "weights", "old", "safe", "pickled"],
)  # fmt: skip
def test_exactly_one_format_recognises_a_file_whatever_its_name(zoo, kind, tmp_path):
    word, path = zoo[kind]
    anonymous = tmp_path / "file"
    anonymous.write_bytes(path.read_bytes())
    assert recognised(anonymous) == [word]


def test_nothing_recognises_what_is_no_model(zoo, tmp_path):
    file = tmp_path / "file"
    for content in (
        b"",
        b"x",
        b"\x08",
        b"hello world\n" * 50,
        b"<html></html>",
        b"{}",
        b"PK\x03\x04",
    ):
        file.write_bytes(content)
        assert recognised(file) == [], content
    rng = random.Random(0)
    for _ in range(200):
        file.write_bytes(rng.randbytes(rng.randrange(1, 400)))
        assert recognised(file) == []
    assert recognised(tmp_path) == []
    assert recognised(tmp_path / "missing") == []


def test_nothing_recognises_a_truncated_onnx_file(zoo, tmp_path):
    content = zoo["onnx"][1].read_bytes()
    file = tmp_path / "file"
    for length in range(0, len(content), 7):
        file.write_bytes(content[:length])
        assert recognised(file) == [], length


def test_recognising_imports_nothing_heavy(zoo):
    script = (
        "import sys; from pathlib import Path\n"
        "from optkit.catalogue import find_format, format_names\n"
        "for path in sys.argv[1:]:\n"
        "    for name in format_names(): find_format(name).recognise(Path(path))\n"
        "print({'torch', 'onnx', 'openvino', 'numpy', 'safetensors'} & set(sys.modules))"
    )
    paths = [str(path) for _, path in zoo.values()]
    out = subprocess.run(
        [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "set()"
