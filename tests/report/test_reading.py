"""What is no manifest is refused in one line with one fix."""

import json
from pathlib import Path

import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.report.reading import Run, names, read_run

PARTS = (
    "status", "model", "data", "routes", "environment", "steps", "artifacts", "validation",
    "benchmark", "gates",
)  # fmt: skip


def refusal(path):
    with pytest.raises(OptkitError) as caught:
        read_run(path)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value.message


def test_a_folder_or_a_file_is_read(folder, manifest):
    place = folder("out", manifest)
    assert read_run(place).manifest["steps"] == manifest["steps"]
    assert read_run(place / "optkit.json").manifest["gates"] == manifest["gates"]


def test_a_folder_without_one(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path} holds no optkit.json"
    assert refusal(tmp_path / "none").endswith("no such folder")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00", "[]", "3", '{"schema": 1}'])
def test_what_no_run_wrote(tmp_path, text):
    (tmp_path / "optkit.json").write_text(text)
    assert " is damaged: " in refusal(tmp_path)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "optkit.json").write_bytes(b"\xff\xfe\x00")
    assert " is damaged: not JSON" in refusal(tmp_path)


def test_another_schema(folder, manifest):
    assert "'optkit/manifest/9'" in refusal(
        folder("out", {**manifest, "schema": "optkit/manifest/9"})
    )


def test_every_part_that_is_missing_or_of_another_kind(tmp_path, manifest):
    for name in PARTS:
        for value in (None, 3, [3], {"a": 3}, "x"):
            spoilt = {**manifest, name: value}
            if type(value) is type(manifest[name]) and name == "status":
                continue
            (tmp_path / "optkit.json").write_text(json.dumps(spoilt))
            assert " is damaged: " in refusal(tmp_path), (name, value)


def test_names_are_as_short_as_tells_them_apart():
    runs = [Run(Path(place), {}) for place in ("/a/x/out", "/a/y/out", "/b/z")]
    assert names(runs) == ["x/out", "y/out", "b/z"]
    assert names(runs[1:]) == ["out", "z"]
    assert len({*names([runs[0], runs[0]])}) == 2
