"""An output folder tells by itself whether it is still what was made."""

import json
import shutil

import pytest
import torch
from running import DIGITS
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.engine.run import run
from optkit.engine.verify.check import verify
from optkit.engine.workplace import Wishes
from optkit.recipe.load import from_flags


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Digits as IR and as ONNX."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))
        loaded = from_flags({
            "optkit": 1, "model": {"path": str(DIGITS / "digits.pt")}, "to": ["ir", "onnx"],
            "benchmark": False, "gates": {},
            "data": {"calibration": {"path": str(DIGITS / "calibration.npz")}},
        })  # fmt: skip
        run(loaded, place / "out")
    return place / "out"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "moved")


def failing(folder):
    found = verify(folder, Wishes())
    failed = [(row["check"], row["subject"]) for row in found["checks"] if not row["held"]]
    assert found["status"] == ("failed" if failed else "ok")
    return failed


def told(folder, check):
    return [row["told"] for row in verify(folder, Wishes())["checks"] if row["check"] == check]


def test_a_folder_as_it_was_made_holds_wherever_it_lies(folder):
    found = verify(folder, Wishes())
    assert [(row["check"], row["subject"]) for row in found["checks"]] == [
        ("lock", "optkit.lock"), ("manifest", "optkit.json"),
        ("files", "model.xml"), ("files", "model.bin"),
        ("signature", "model.xml"), ("fidelity", "model.xml"),
        ("files", "model.onnx"), ("signature", "model.onnx"), ("fidelity", "model.onnx"),
    ]  # fmt: skip
    assert found["status"] == "ok"
    assert all("8 inputs kept" in one for one in told(folder, "fidelity"))


def test_a_changed_byte_of_the_weights_is_named(folder):
    content = bytearray((folder / "model.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.bin").write_bytes(content)
    assert failing(folder) == [("files", "model.bin")]
    assert "was changed" in told(folder, "files")[1]


def test_a_missing_file_is_named(folder):
    (folder / "model.bin").unlink()
    assert failing(folder) == [("files", "model.bin")]


def test_an_edited_lock_is_told_and_the_rest_is_still_checked(folder):
    path = folder / "optkit.lock"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert failing(folder) == [("lock", "optkit.lock")]
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\x00")
    assert ("files", "model.onnx") in failing(folder)


def test_a_manifest_that_tells_otherwise(folder):
    path = folder / "optkit.json"
    manifest = json.loads(path.read_text())
    manifest["model"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    assert failing(folder) == [("manifest", "optkit.json")]
    assert told(folder, "manifest") == ["not as optkit.lock has it: model"]


def test_an_answer_that_moved_is_told(folder):
    """The same files; what they answered when they were made is another thing."""
    import numpy as np

    path = folder / "model.xml.samples.npz"
    with np.load(path) as file:
        members = dict(file)
    for name in members:
        if name.startswith("got."):
            members[name] = members[name][::-1]
    np.savez(path, **members)
    assert failing(folder) == [("fidelity", "model.xml")]


@pytest.mark.parametrize("content", [None, b"nothing of the kind"])
def test_samples_that_are_gone_or_broken(folder, content):
    path = folder / "model.xml.samples.npz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert failing(folder) == [("fidelity", "model.xml")]


def test_a_signature_that_is_not_the_manifests(folder):
    path = folder / "optkit.json"
    manifest = json.loads(path.read_text())
    for row in manifest["artifacts"]:
        row["outputs"][0]["name"] = "scores"
    path.write_text(json.dumps(manifest))
    assert ("signature", "model.onnx") in failing(folder)


class Large(nn.Module):
    """An input of 1.2 MB: too much to keep a copy of in an output folder."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 7, stride=7)

    def forward(self, image):
        return self.conv(image)


def test_a_large_input_is_made_again(convert, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "large.pt"
    torch.jit.trace(Large().eval(), torch.randn(1, 3, 320, 320)).save(str(path))
    folder = convert(path, to="ir").folder
    assert (folder / "model.xml.samples.npz").stat().st_size < 20_000
    assert failing(folder) == []
    assert "an input made again" in told(folder, "fidelity")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no optkit.json"),
        ("{", "is no JSON"),
        ('{"schema": "optkit/manifest/0"}', "has the schema 'optkit/manifest/0'"),
    ],
)
def test_what_is_no_output_folder(tmp_path, content, message):
    if content is not None:
        (tmp_path / "optkit.json").write_text(content)
    with pytest.raises(OptkitError, match=message) as caught:
        verify(tmp_path, Wishes())
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_a_lock_of_another_schema_is_no_lock(folder):
    (folder / "optkit.lock").write_text('{"schema": "optkit/lock/9"}')
    with pytest.raises(OptkitError, match="has the schema 'optkit/lock/9'") as caught:
        verify(folder, Wishes())
    assert caught.value.exit_code is Exit.BAD_INPUT
