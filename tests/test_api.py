"""The four functions that optkit offers to Python."""

import subprocess
import sys
from pathlib import Path

import pytest

import optkit

EXAMPLE = Path(__file__).parents[1] / "examples" / "01_digits"


def test_importing_optkit_is_light() -> None:
    code = (
        "import optkit, sys; assert not {'numpy', 'pydantic', 'typer', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_convert_plan_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    data = str(EXAMPLE / "calibration.npz")
    made = optkit.convert(EXAMPLE / "digits.pt", "ir", data=data, benchmark=False)
    assert made.exit_code == 0
    assert made.folder == Path("digits-optkit")
    assert (made.folder / "model.xml").is_file()

    loaded = optkit.load_recipe(made.folder / "recipe.yaml")
    (target,) = optkit.plan(loaded)["targets"]
    assert [(step["pass"], step["held"]) for step in target["routes"][0]] == [("emit_ir", True)]

    again = optkit.run(loaded, output="again")
    assert (again.folder / "model.bin").read_bytes() == (made.folder / "model.bin").read_bytes()
    assert all(step["cached"] for step in again.manifest["steps"])


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'convret'"):
        optkit.convret  # noqa: B018
