"""The output folder: where it may go, and that it appears whole or not at all."""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import environment, spawn, staged, tree

Refused = Callable[..., None]
ANOTHER = "name another folder with -o"


def test_places_where_no_output_can_go(refused: Refused, shelf: Path) -> None:
    Path("file").touch()
    Path("foreign").mkdir()
    Path("foreign/thesis.tex").write_text("years of work")
    Path("dangling").symlink_to("nowhere")
    for name, cause, fix in (
        ("file", "the output file is a file", "name a folder with -o"),
        ("/dev/null", "the output /dev/null is a file", "name a folder with -o"),
        ("dangling", "the output dangling is a link to nothing", "name a folder with -o"),
        (
            "foreign",
            "the output folder foreign holds files that optkit did not write",
            f"{ANOTHER}, or replace it with --force",
        ),
        ("/dev/null/x", "cannot write the output to /dev/null/x: Not a directory", ANOTHER),
        ("file/x/y", "cannot write the output to file/x/y: Not a directory", ANOTHER),
        ("x" * 300, f"cannot write the output to {'x' * 300}: File name too long", ANOTHER),
        ("/proc/x", "cannot write the output to /proc/x: No such file or directory", ANOTHER),
    ):
        refused("convert", shelf / "traced.pt", "--to", "ir", "-o", name, cause=cause, fix=fix)


def test_not_even_force_replaces_what_the_run_reads(
    refused: Refused, shelf: Path, place: Path
) -> None:
    Path("mine").mkdir()
    shutil.copy(shelf / "model.onnx", "mine/model.onnx")
    flags = ("--to", "ir", "--force", "-o")
    refused(
        "convert", "mine/model.onnx", *flags, "mine",
        cause="the output folder mine holds mine/model.onnx, and is replaced as a whole",
        fix=ANOTHER,
    )  # fmt: skip
    for name in (".", "..", place):
        refused(
            "convert", "mine/model.onnx", *flags, name,
            cause=f"the output folder {name} is or holds the current folder, and is replaced as a "
            "whole",
            fix=ANOTHER,
        )  # fmt: skip


def test_force_replaces_a_foreign_folder(optkit: Callable[..., object], shelf: Path) -> None:
    Path("out").mkdir()
    Path("out/old.txt").write_text("old")
    command = ("convert", shelf / "traced.pt", "--to", "ir", "--no-benchmark", "-o", "out")
    assert optkit(*command, "--force").code == 0
    first = set(tree(Path("out")))
    assert {"model.xml", "model.bin", "optkit.json", "recipe.yaml", "optkit.lock"} <= first
    assert "old.txt" not in first
    Path("out/stray").touch()
    assert optkit(*command).code == 0  # optkit's own folder needs no force
    assert set(tree(Path("out"))) == first
    assert {path.name for path in Path.cwd().iterdir()} == {"out"}


def test_a_missed_gate_keeps_the_output(optkit: Callable[..., object], shelf: Path) -> None:
    flags = ("--to", "ir", "--no-benchmark", "--gate", "size_bytes<=1")
    ended = optkit("convert", shelf / "traced.pt", *flags)
    assert ended.code == 3
    assert "a gate was missed  traced-optkit/: model.xml" in ended.out
    assert json.loads(Path("traced-optkit/optkit.json").read_text())["status"] == "gated"
    quiet = optkit("convert", shelf / "traced.pt", *flags, "-q")
    assert (quiet.code, quiet.out) == (3, "")
    assert "gate size_bytes missed" in quiet.err
    machine = optkit("convert", shelf / "traced.pt", *flags, "--json")
    assert machine.code == 3
    assert json.loads(machine.out)["status"] == "gated"


def small_files() -> None:
    """No file of this process may grow beyond 200 kB; writing on is refused as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_full_disk(big: Path, place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = tmp_path_factory.mktemp("fresh")
    command = ("convert", big, "--to", "ir", "--no-benchmark")
    limited = {"env": environment(store), "preexec_fn": small_files}

    ended = spawn(*command, "--json", **limited)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["status"] == "failed"
    cause, fix = ended.stderr.splitlines()[-2:]
    assert cause.startswith(f"error: no space left on the disk of {store} (step '")
    assert fix == (
        "  fix: free some space (optkit cache prune), or set OPTKIT_CACHE_DIR to another disk"
    )
    assert tree(place) == {}
    assert staged(store) == []
    assert not list(store.rglob("record.json"))

    assert spawn(*command, "-o", "first", env=environment(store)).returncode == 0
    ended = spawn(*command, **limited)  # every step is kept: only the output is written
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "error: no space left on the disk of big-optkit (writing the output)",
        "  fix: free some space, or name a folder on another disk with -o; the steps are kept",
    ]
    assert {path.name for path in place.iterdir()} == {"first"}
    assert staged(store) == []


@pytest.fixture
def tiny_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 700 kB."""
    folder = tmp_path_factory.mktemp("disk")
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk takes root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_really_full_disk(
    optkit: Callable[..., object],
    big: Path,
    place: Path,
    tiny_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tiny_disk))
    ended = optkit("convert", big, "--to", "ir", "--no-benchmark")
    assert ended.code == 1
    cause = ended.err.splitlines()[-2]
    assert cause.startswith(f"error: no space left on the disk of {tiny_disk} (")
    assert tree(place) == {}
    assert staged(tiny_disk) == []
    assert not list(tiny_disk.rglob("record.json"))


def test_a_full_disk_for_the_output(
    optkit: Callable[..., object], big: Path, tiny_disk: Path
) -> None:
    target = tiny_disk / "out"
    ended = optkit("convert", big, "--to", "ir", "--no-benchmark", "-o", target)
    assert ended.code == 1
    assert ended.err.splitlines()[0] == (
        f"error: no space left on the disk of {target} (writing the output)"
    )
    assert list(tiny_disk.iterdir()) == []


def test_files_of_one_name_never_overwrite_each_other(
    refused: Refused, shelf: Path, place: Path
) -> None:
    import onnx

    model = onnx.load(shelf / "model.onnx")
    options = {"save_as_external_data": True, "location": "model.bin", "size_threshold": 0}
    onnx.save(model, place / "net.onnx", **options)
    command = ("convert", "net.onnx", "--to", "onnx,ir", "--no-benchmark", "-q", "-o", "out")
    cause = "two of the artifacts have a file named model.bin"
    fix = "make them one at a time: a single word after --to, and -o for each"
    refused(*command, cause=cause, fix=fix, code=1)
