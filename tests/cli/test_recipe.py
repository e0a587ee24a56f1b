"""optkit recipe migrate: older recipes, rewritten in place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Optkit = Callable[..., Any]

DRAFT = "# mine\nmodel: {path: m.onnx} # here\nto: onnx\n"
DONE = "# mine\noptkit: 1\nmodel: {path: m.onnx} # here\nto: onnx\n"


def test_in_place(optkit: Optkit, place: Path) -> None:
    (place / "old.yaml").write_bytes(b"\xef\xbb\xbf" + DRAFT.replace("\n", "\r\n").encode())
    (place / "old.yaml").chmod(0o640)
    (place / "seen.yaml").symlink_to("old.yaml")
    (place / "new.yaml").write_text(DONE)
    ended = optkit("recipe", "migrate", "seen.yaml", "new.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "seen.yaml: version 0 to 1\nnew.yaml: up to date\n"
    assert (place / "seen.yaml").is_symlink()
    assert (place / "old.yaml").stat().st_mode & 0o777 == 0o640
    assert (place / "old.yaml").read_bytes() == (
        b"\xef\xbb\xbf" + DONE.replace("\n", "\r\n").encode()
    )
    assert (place / "new.yaml").read_text() == DONE
    assert optkit("lint", "old.yaml").code == 0
    assert sorted(path.name for path in place.iterdir()) == ["new.yaml", "old.yaml", "seen.yaml"]


def test_to_standard_output(optkit: Optkit, place: Path) -> None:
    (place / "old.yaml").write_text(DRAFT)
    ended = optkit("recipe", "migrate", "old.yaml", "--stdout")
    assert (ended.code, ended.out, ended.err) == (0, DONE, "")
    assert (place / "old.yaml").read_text() == DRAFT
    assert optkit("recipe", "migrate", "old.yaml", "old.yaml", "--stdout").code == 2


def test_for_machines(optkit: Optkit, place: Path) -> None:
    (place / "old.yaml").write_text(DRAFT)
    told = json.loads(optkit("recipe", "migrate", "old.yaml", "--json").out)
    row = {"path": "old.yaml", "from": 0, "to": 1, "changed": True}
    assert told == {"recipes": [row]}


def test_what_cannot_be_read_leaves_all_as_they_are(
    optkit: Optkit, refused: Callable[..., None], place: Path
) -> None:
    (place / "old.yaml").write_text(DRAFT)
    (place / "bad.yaml").write_text("to: [onnx\n")
    (place / "far.yaml").write_text("optkit: 9\n")
    refused("recipe", "migrate", "old.yaml", "bad.yaml",
            cause="bad.yaml:2:1: not valid YAML: the text ends inside a bracket or a quote",
            fix="close it")  # fmt: skip
    refused("recipe", "migrate", "old.yaml", "far.yaml",
            cause="far.yaml:1:9: version 9 of the recipe's form needs a newer optkit",
            fix="pip install --upgrade optkit")  # fmt: skip
    refused("recipe", "migrate", "gone.yaml", cause="gone.yaml: no such file", fix="…")
    assert (place / "old.yaml").read_text() == DRAFT


def test_running_an_older_one_names_the_command(refused: Callable[..., None], place: Path) -> None:
    (place / "old.yaml").write_text("optkit: 0\n" + DRAFT)
    refused("run", "old.yaml",
            cause="old.yaml:1:9: version 0 of the recipe's form is no longer read",
            fix="optkit recipe migrate FILE brings it up to date")  # fmt: skip
