"""A model file that is not what it should be."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

KINDS = "ExportedProgram, OpenVINO IR, Weights without a graph, ONNX, TorchScript"
AGAIN = "copy or download it again"

Refused = Callable[..., None]


def cut(source: Path, target: Path, part: float = 0.6) -> None:
    content = source.read_bytes()
    target.write_bytes(content[: int(len(content) * part)])


def test_a_missing_file(refused: Refused) -> None:
    for command in (("convert", "gone.pt", "--to", "ir"), ("inspect", "gone.pt"),
                    ("bench", "gone.pt")):  # fmt: skip
        refused(*command, cause="no such model: gone.pt", fix="check the path")


@pytest.mark.parametrize("name", ["traced.pt", "exported.pt2", "weights.pt", "pickled.pt"])
def test_a_truncated_archive(refused: Refused, shelf: Path, place: Path, name: str) -> None:
    cut(shelf / name, place / name)
    cause = f"{name} is truncated: an archive without its end"
    refused("convert", name, "--to", "ir", cause=cause, fix=AGAIN)


def test_a_truncated_onnx(refused: Refused, shelf: Path, place: Path) -> None:
    for part in (0.3, 0.6, 0.95):
        cut(shelf / "model.onnx", place / "m.onnx", part)
        refused(
            "convert", "m.onnx", "--to", "ir",
            cause="m.onnx is no model that optkit reads, or it is truncated",
            fix=f"{AGAIN}; optkit reads {KINDS}",
        )  # fmt: skip


def test_a_truncated_ir(refused: Refused, shelf: Path, place: Path) -> None:
    shutil.copy(shelf / "model.xml", place / "m.xml")
    whole = (shelf / "model.bin").stat().st_size
    cut(shelf / "model.bin", place / "m.bin", 0.5)
    refused(
        "convert", "m.xml", "--to", "onnx",
        cause=f"'m.bin' is truncated: {whole // 2} bytes of {whole}", fix="copy 'm.bin' again",
    )  # fmt: skip
    (place / "m.bin").unlink()
    refused(
        "convert", "m.xml", "--to", "ir",
        cause="'m.xml': its weights 'm.bin' are missing", fix="copy 'm.bin' beside it",
    )  # fmt: skip
    cut(shelf / "model.xml", place / "half.xml", 0.5)
    refused(
        "inspect", "half.xml", cause="cannot read 'half.xml' as OpenVINO IR: no element found…",
        fix="the file may be truncated or damaged; copy it again or export the model again",
    )  # fmt: skip


def test_truncated_weights(refused: Refused, shelf: Path, place: Path) -> None:
    cut(shelf / "weights.safetensors", place / "w.safetensors", 0.9)
    (place / "mine_net.py").write_text("import models\nmake = lambda: models.ConvNet()\n")
    refused(
        "convert", "w.safetensors", "--to", "ir", "--factory", "mine_net:make", "--trust-code",
        cause="cannot read 'w.safetensors' as weights: …",
        fix="the file may be truncated or damaged; copy it again or export the model again",
    )  # fmt: skip


def test_files_that_are_no_models(refused: Refused, place: Path) -> None:
    Path("empty.onnx").touch()
    Path("text.onnx").write_text("hello")
    Path("large.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with zipfile.ZipFile("archive.pt", "w") as archive:
        archive.writestr("notes.txt", "nothing here")
    Path("folder").mkdir()
    nothing = "{} is no model that optkit reads, or it is truncated"
    for name, cause, fix in (
        ("empty.onnx", "empty.onnx is empty", AGAIN),
        ("text.onnx", nothing.format("text.onnx"), f"{AGAIN}; optkit reads {KINDS}"),
        ("archive.pt", nothing.format("archive.pt"), f"{AGAIN}; optkit reads {KINDS}"),
        ("large.onnx", "large.onnx is a Git LFS pointer, not the model itself", "git lfs pull"),
        ("folder", "folder is a folder, not a model", "name the model file in it"),
        ("text.onnx/x", "cannot read text.onnx/x: Not a directory", "check the path"),
    ):
        refused("convert", name, "--to", "ir", cause=cause, fix=fix)
        refused("inspect", name, cause=cause, fix=fix)
    long = "x" * 300
    refused("inspect", long, cause=f"cannot read {long}: File name too long", fix="check the path")


def test_the_weights_of_an_ir_name_its_graph(refused: Refused, shelf: Path) -> None:
    path = shelf / "model.bin"
    refused(
        "convert", path, "--to", "ir", cause=f"{path} holds the weights of model.xml alone",
        fix=f"name {shelf / 'model.xml'} instead",
    )  # fmt: skip


def test_brackets_in_a_name_are_only_a_name(
    optkit: Callable[..., object], shelf: Path, place: Path
) -> None:
    shutil.copy(shelf / "model.onnx", place / "net[/v2].onnx".replace("/", "-"))
    shutil.copy(shelf / "model.onnx", place / "a[red]b.onnx")
    for name in ("a[red]b.onnx", "net[-v2].onnx"):
        ended = optkit("convert", name, "--to", "ir", "--no-benchmark", "--force")
        assert ended.code == 0, ended.err
        assert f"{name} (onnx)" in ended.out
        assert f"{name.removesuffix('.onnx')}-optkit/: model.xml" in ended.out
