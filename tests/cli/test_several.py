"""Several recipes in one command: one summary, one document, one exit code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Optkit = Callable[..., Any]

HEAD = "optkit: 1\nmodel: {path: net.onnx}\nbenchmark: false\n"


@pytest.fixture(autouse=True)
def recipes(place: Path, shelf: Path) -> Path:
    """Recipes that end in every way, on one small network."""
    folder = place / "recipes"
    folder.mkdir()
    shutil.copy(shelf / "model.onnx", folder / "net.onnx")
    (folder / "good.yaml").write_text(HEAD + "to: onnx\n")
    (folder / "fine.yaml").write_text(HEAD + "to: ir\n")
    (folder / "gated.yaml").write_text(HEAD + "to: onnx\ngates: {size_bytes: {max: 1}}\n")
    (folder / "bad.yaml").write_text(HEAD + "to: irr\n")
    # a pass that there is nothing to do for on this network fails its step
    (folder / "broken.yaml").write_text(
        HEAD + "to: ir\nprecision: int8\n"
        "passes: [{quantize_int8: {ignored_scope: {names: [nowhere]}}}]\n"
    )
    return folder


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name != "recipes")


def test_all_are_run_and_summed_up(optkit: Optkit, place: Path) -> None:
    ended = optkit("run", "recipes/good.yaml", "recipes/fine.yaml")
    assert ended.code == 0, ended.err
    assert names(place) == ["fine-optkit", "good-optkit"]
    assert (place / "fine-optkit/model.xml").is_file()
    *_, last = ended.out.split("recipe ")
    rows = [line.split() for line in last.splitlines() if ".yaml" in line]
    assert [(row[0], row[1]) for row in rows] == [
        ("recipes/good.yaml", "ok"), ("recipes/fine.yaml", "ok"),
    ]  # fmt: skip
    assert "2 of 2 held" in last
    assert "fine-optkit/model.xml" in last


def test_one_document(optkit: Optkit, place: Path) -> None:
    ended = optkit("run", "recipes/good.yaml", "recipes/gated.yaml", "-o", "all", "--json")
    assert ended.code == 3
    runs = json.loads(ended.out)["runs"]
    assert [(run["recipe"], run["output"], run["exit"], run["status"]) for run in runs] == [
        ("recipes/good.yaml", "all/good", 0, "ok"),
        ("recipes/gated.yaml", "all/gated", 3, "gated"),
    ]
    for run in runs:
        manifest = json.loads((place / run["output"] / "optkit.json").read_text())
        assert manifest.items() <= run.items()
    assert "gate size_bytes missed" in ended.err


def test_what_ends_badly_ends_the_rest_unless_it_is_to_keep_going(
    optkit: Optkit, place: Path
) -> None:
    files = [f"recipes/{name}.yaml" for name in ("gated", "broken", "good")]
    ended = optkit("run", *files, "--json")
    assert ended.code == 3
    runs = json.loads(ended.out)["runs"]
    assert [(run["exit"], run["status"]) for run in runs[1:]] == [(None, "not run")] * 2
    assert names(place) == ["gated-optkit"]

    ended = optkit("run", *files, "--json", "--keep-going")
    runs = json.loads(ended.out)["runs"]
    assert [run["exit"] for run in runs] == [3, 2, 0]
    assert runs[1]["error"]["message"]
    assert names(place) == ["gated-optkit", "good-optkit"]
    assert ended.code == 2


def test_a_mistake_in_one_keeps_all_from_running(optkit: Optkit, place: Path) -> None:
    files = ["recipes/good.yaml", "recipes/bad.yaml"]
    ended = optkit("run", *files)
    assert ended.code == 2
    assert "recipes/bad.yaml:4:5: unknown format 'irr'" in ended.err
    assert "not run" in ended.out
    assert names(place) == []

    ended = optkit("run", *files, "--keep-going", "--json")
    assert ended.code == 2
    runs = json.loads(ended.out)["runs"]
    assert [run["exit"] for run in runs] == [0, 2]
    assert runs[1]["error"]["message"].startswith("recipes/bad.yaml:4:5:")
    assert names(place) == ["good-optkit"]


def test_a_fault_in_one_is_told_and_worst(
    optkit: Optkit, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optkit import api

    sound = api.run

    def run(loaded: Any, **options: Any) -> Any:
        if loaded.path.stem == "good":
            raise ZeroDivisionError("nothing to divide by")
        return sound(loaded, **options)

    monkeypatch.setattr(api, "run", run)
    files = ["recipes/good.yaml", "recipes/gated.yaml"]
    ended = optkit("run", *files, "--keep-going", "--json")
    assert ended.code == 4
    runs = json.loads(ended.out)["runs"]
    assert [run["exit"] for run in runs] == [4, 3]
    assert "a fault in optkit itself: ZeroDivisionError" in ended.err
    assert "Traceback" not in ended.err


def test_folders_that_collide_are_refused(
    refused: Callable[..., None], place: Path, recipes: Path
) -> None:
    other = place / "other"
    other.mkdir()
    shutil.copy(recipes / "good.yaml", other / "good.yaml")
    shutil.copy(recipes / "net.onnx", other / "net.onnx")
    refused("run", "recipes/good.yaml", "other/good.yaml",
            cause="recipes/good.yaml and other/good.yaml would both write good-optkit",
            fix="rename one of them, or run them apart, each with -o")  # fmt: skip


def test_a_folder_of_somebody_elses_is_seen_before_anything_runs(
    optkit: Optkit, place: Path
) -> None:
    (place / "fine-optkit").mkdir()
    (place / "fine-optkit" / "theirs.txt").write_text("theirs")
    ended = optkit("run", "recipes/good.yaml", "recipes/fine.yaml")
    assert ended.code == 2
    assert "fine-optkit holds files that optkit did not write" in ended.err
    assert names(place) == ["fine-optkit"]


def test_recipes_of_one_name_are_told_apart_by_their_folders(
    optkit: Optkit, place: Path, recipes: Path
) -> None:
    for name in ("a", "b"):
        (place / name).mkdir()
        shutil.copy(recipes / "good.yaml", place / name / "recipe.yaml")
        shutil.copy(recipes / "net.onnx", place / name / "net.onnx")
    assert optkit("run", "a/recipe.yaml", "b/recipe.yaml", "-q").code == 0
    assert names(place) == ["a", "a-optkit", "b", "b-optkit"]


def test_where_the_ci_understands_it_a_missed_gate_is_marked_at_its_line(
    optkit: Optkit, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(place.parent))
    ended = optkit("run", "recipes/bad.yaml", "recipes/gated.yaml", "--keep-going", "-q")
    marks = [line for line in ended.err.splitlines() if line.startswith("::error ")]
    assert len(marks) == 2
    head = f"::error title=optkit,file={place.name}/recipes/"
    assert marks[0].startswith(f"{head}bad.yaml,line=4,col=5::unknown format 'irr'%0Afix: did")
    assert marks[1].startswith(f"{head}gated.yaml,line=5,col=9::net.onnx: gate size_bytes missed")
