import shutil
from pathlib import Path

import pytest

from optkit.recipe.load import load_recipe, problems_in
from optkit.recipe.save import save

HEAD = "optkit: 1\nto: onnx\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """recipes/ and models/ side by side, and a link from one into the other."""
    monkeypatch.chdir(tmp_path)
    for name in ("recipes/sub", "models"):
        Path(name).mkdir(parents=True)
    Path("models/m.onnx").write_bytes(b"")
    Path("recipes/sub/m.onnx").write_bytes(b"")
    Path("recipes/link").symlink_to(Path("models").absolute())
    return tmp_path


def told(path: str, more: str = "", overrides: tuple[str, ...] = ()) -> list[str]:
    Path("recipes/r.yaml").write_text(f"{HEAD}model:\n  path: {path}\n{more}")
    found = problems_in("recipes/r.yaml", overrides)
    return [f"{one.text('r.yaml')} ({one.hint})" for one in found]


@pytest.mark.parametrize(
    "path", ["m.onnx", "sub/m.onnx", "sub/../m.onnx", "./gone/x.pt", "mine:make"]
)
def test_what_stays_inside_is_fine(path: str) -> None:
    assert told(path) == []


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("../models/m.onnx", "../models"),
        ("../m.onnx", ".."),
        ("sub/../../m.onnx", "sub/../.."),
        ("/etc/passwd", "/etc"),
        ("~/m.onnx", str(Path.home().resolve())),
    ],
)
def test_what_leads_out_is_refused_unless_asked(path: str, outside: str) -> None:
    (found,) = told(path)
    assert found == (
        f"r.yaml:4:9: 'model.path' leads outside the recipe's folder: {path} "
        f"(move it there, or allow it: outside: {outside} (or --set outside={outside}))"
    )
    assert told(path, f"outside: {outside}\n") == []
    assert told(path, f"outside: [gone, {outside}]\n") == []
    assert told(path, overrides=(f"outside={outside}",)) == []
    assert told(path, "outside: ../other\n") != []


def test_a_link_leads_where_it_leads(folder: Path) -> None:
    models = folder / "models"
    (found,) = told("link/m.onnx")
    assert found == (
        "r.yaml:4:9: 'model.path' leads outside the recipe's folder: "
        f"link/m.onnx, a link to {models}/m.onnx "
        "(move it there, or allow it: outside: link (or --set outside=link))"
    )
    assert told("link/m.onnx", "outside: link\n") == []
    assert told("link/m.onnx", f"outside: {models}\n") == []
    assert told("link/m.onnx", "outside: ../models\n") == []


def test_a_recipe_that_is_a_link_is_where_it_is_seen() -> None:
    Path("models/r.yaml").write_text(f"{HEAD}model: {{path: m.onnx}}\n")
    Path("recipes/seen.yaml").symlink_to(Path("models/r.yaml").absolute())
    assert problems_in("recipes/seen.yaml") == []
    assert load_recipe("recipes/seen.yaml").resolve("m.onnx") == Path("recipes/m.onnx")


def test_every_path_is_looked_at_and_the_command_line_is_trusted() -> None:
    data = "data:\n  calibration: {path: ../c.npz}\n  validation: {path: /v.npz, labels: l}\n"
    assert [one.split(": ")[0] for one in told("m.onnx", data)] == ["r.yaml:6:23", "r.yaml:7:22"]
    asked = ("data.calibration.path=../c.npz", "data.validation.path=/v.npz")
    assert told("m.onnx", data, asked) == []
    assert told("m.onnx", overrides=("model.path=/etc/passwd",)) == []


def test_a_saved_recipe_says_where_it_leads(folder: Path) -> None:
    """It was named on the command line: the recipe that is written runs as it stands."""
    Path("recipes/r.yaml").write_text(f"{HEAD}model: {{path: sub/m.onnx}}\n")
    loaded = load_recipe("recipes/r.yaml")
    save(loaded, folder / "beside.yaml")
    again = load_recipe("beside.yaml")
    assert (again.recipe.model.path, again.recipe.outside) == ("recipes/sub/m.onnx", ())
    save(loaded, folder / "models" / "far.yaml")
    again = load_recipe("models/far.yaml")
    assert again.recipe.model.path == "../recipes/sub/m.onnx"
    assert again.recipe.outside == ("../recipes/sub",)
    assert "outside: ../recipes/sub\n" in Path("models/far.yaml").read_text()
    shutil.move("recipes", "moved")  # nothing is looked for, where a path leads is plain
    assert problems_in("models/far.yaml") == []
