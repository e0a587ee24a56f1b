"""Two hundred mutated recipes by the command line: the right end, the right line, no fault."""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from mutants import MAKERS, Mutant

from optkit.cli.main import run_command
from optkit.recipe.schema import json_schema

ROOT = Path(__file__).parents[2]
SEED, COUNT = (
    int(os.environ.get("OPTKIT_FUZZ_SEED", "20")),
    int(os.environ.get("OPTKIT_FUZZ", "200")),
)

VALIDATOR = jsonschema.Draft202012Validator(json_schema())

FULL = """\
optkit: 1
model:
  path: model.pt
data:
  calibration: {path: "${env:OPTKIT_NOT_SET:-data}/calibration.npz"}
  validation: {path: data/validation.npz, labels: label, metric: accuracy}
to: [ir, onnx]
precision: fp32
benchmark: {devices: [CPU], scenarios: [single-stream, offline], seconds: 3}
gates:
  cosine: {min: 0.99}
  speedup: {min: 1.5}
  size_ratio: {max: 1.3}
seed: 7
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "common.yaml").write_text("benchmark: {batch: 1}\n")
    (folder / "bad.yaml").write_text("seed: 1\nsed: 1\n")
    (folder / "cycle.yaml").write_text("include: cycle.yaml\n")
    (folder / "link").symlink_to("/")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OPTKIT_CACHE_DIR", str(folder / "store"))
        patch.setenv("OPTKIT_SET", "1")
        patch.delenv("OPTKIT_NOT_SET", raising=False)
        yield folder


def bases(example: str) -> list[str]:
    ready = sorted((ROOT / "recipes").glob("*.yaml"))
    return [example, FULL, *(path.read_text() for path in ready)]


def mutants(example: str) -> Iterator[Mutant]:
    rng = random.Random(SEED)
    for index in range(COUNT):
        make = MAKERS[index % len(MAKERS)]
        yield make(rng.choice(bases(example)), rng)


def refused_by_schema(content: bytes) -> bool:
    """Whether another reader, and the schema as it is shipped, find fault with it."""
    try:
        data = yaml.safe_load(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return False  # another matter: YAML 1.1 is not what a recipe is in
    for step in data.get("passes") or () if isinstance(data, dict) else ():
        if isinstance(step, dict):  # a pass with a colon and nothing behind it is one by itself
            step.update({name: {} for name, options in step.items() if options is None})
    return isinstance(data, dict) and not VALIDATOR.is_valid(data)


def test_every_mutant_ends_as_it_must(
    example: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fine = refused = 0
    for mutant in mutants(example):
        (place / "recipe.yaml").write_bytes(mutant.content)
        capfd.readouterr()
        code = run_command(["lint", "recipe.yaml"])
        out, err = capfd.readouterr()
        about = f"{mutant.name}\n{out}{err}\n{mutant.content[:2000].decode(errors='replace')}"
        assert code in {0, 2}, about
        assert mutant.code in {None, code}, about
        assert "Traceback" not in err, about
        if code == 0:
            fine += 1
            assert out == "1 recipe checked: no mistakes\n", about
            assert mutant.code == 0 or not refused_by_schema(mutant.content), about
            continue
        refused += 1
        check_words(mutant, err, about)
        if refused % 4 == 0:  # running it ends the same way, before anything is read or written
            check_run(place, err, capfd, about)
    assert fine > COUNT / 10
    assert refused > COUNT / 2


def check_words(mutant: Mutant, err: str, about: str) -> None:
    lines = err.splitlines()
    assert len(lines) % 2 == 0, about
    last = mutant.content.decode(errors="replace").count("\n") + 2
    for message, hint in zip(lines[::2], lines[1::2], strict=True):
        place = re.match(r"(recipe|bad|common|cycle)\.yaml:(\d+):(\d+): \S", message)
        assert place, about
        assert 1 <= int(place[2]) <= last or place[1] != "recipe", about
        assert re.match(r"  fix: \S", hint), about
        assert not re.search("pydantic|https?:|Input should|Error", message), about
        assert len(message) < 400, about
    if mutant.line is not None:
        told = [int(line.split(":")[1]) for line in lines[::2]]
        assert told == [mutant.line], about


def check_run(place: Path, lint: str, capfd: pytest.CaptureFixture[str], about: str) -> None:
    before = {path.name for path in place.iterdir()}
    capfd.readouterr()
    assert run_command(["run", "recipe.yaml", "--json"]) == 2, about
    out, err = capfd.readouterr()
    told = json.loads(out)["error"]
    assert told["exit"] == 2, about
    assert told["message"].split() == lint.splitlines()[0].split(), about
    assert "Traceback" not in err, about
    assert {path.name for path in place.iterdir()} == before, about
