from pathlib import Path

import pytest

from optkit.core.errors import OptkitError
from optkit.recipe.gates import Gate
from optkit.recipe.load import load_recipe, problems_in
from optkit.recipe.places import Place

HEAD = "optkit: 1\nmodel: {path: m.onnx}\nto: onnx\n"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def mistake(name: str = "recipe.yaml") -> tuple[str, str]:
    with pytest.raises(OptkitError) as caught:
        load_recipe(name)
    assert caught.value.exit_code == 2
    return caught.value.message, caught.value.hint


def test_own_keys_stand_above_included_ones() -> None:
    """
    Given:
        shared.yaml with gates and a benchmark; a recipe with a gate of its own
    Result:
        mappings merged key by key, lists and words as the recipe says
    """
    write(
        "shared.yaml",
        "gates: {cosine: {min: 0.9}, speedup: {min: 1.2}}\n"
        "benchmark: {scenarios: [single-stream, offline], seconds: 9}\nprecision: int8\n",
    )
    own = "include: shared.yaml\ngates: {cosine: {min: 0.99}}\nbenchmark: {scenarios: [server]}\n"
    write("recipe.yaml", HEAD + own)
    recipe = load_recipe("recipe.yaml").recipe
    assert recipe.gates == {"cosine": Gate(min=0.99), "speedup": Gate(min=1.2)}
    assert recipe.benchmark.scenarios == ("server",)
    assert recipe.benchmark.seconds == 9
    assert recipe.precision == "int8"
    assert recipe.include == ()


def test_of_several_the_later_one_wins() -> None:
    write("a.yaml", "seed: 1\nprecision: int8\n")
    write("b.yaml", "seed: 2\n")
    write("recipe.yaml", HEAD + "include: [a.yaml, b.yaml]\n")
    recipe = load_recipe("recipe.yaml").recipe
    assert (recipe.seed, recipe.precision) == (2, "int8")


def test_paths_are_relative_to_the_file_that_holds_them() -> None:
    own = "baseline: b.json\ndata: {validation: {path: v.npz}}\n"
    write("shared/data.yaml", f"include: more/set.yaml\n{own}")
    write("shared/more/set.yaml", "data: {calibration: {path: ../c.npz, labels: label}}\n")
    write("recipe.yaml", HEAD + "include: shared/data.yaml\n")
    loaded = load_recipe("recipe.yaml")
    data = loaded.recipe.data
    assert data.calibration is not None
    assert data.validation is not None
    assert (data.calibration.path, data.calibration.labels) == ("shared/c.npz", "label")
    assert data.validation.path == "shared/v.npz"
    assert loaded.recipe.baseline == "shared/b.json"
    assert loaded.resolve(data.calibration.path) == Path("shared/c.npz")


def test_a_callable_is_no_path() -> None:
    write("shared/data.yaml", "data: {calibration: {path: 'mine.data:samples'}}\n")
    write("recipe.yaml", HEAD + "include: shared/data.yaml\n")
    data = load_recipe("recipe.yaml").recipe.data
    assert data.calibration is not None
    assert data.calibration.path == "mine.data:samples"


def test_an_override_stands_above_all() -> None:
    write("shared.yaml", "gates: {cosine: {min: 0.9}}\n")
    write("other.yaml", "seed: 5\n")
    write("recipe.yaml", HEAD + "include: shared.yaml\n")
    recipe = load_recipe("recipe.yaml", ["gates.cosine.min=0.5"]).recipe
    assert recipe.gates == {"cosine": Gate(min=0.5)}
    swapped = load_recipe("recipe.yaml", ["include=other.yaml"]).recipe
    assert (swapped.seed, swapped.gates) == (5, {})


def test_a_mistake_in_an_included_file_is_told_at_its_place() -> None:
    write("shared/gates.yaml", "# bounds\ngates:\n  speed_up: {min: 1}\nseed: x\n")
    write("recipe.yaml", HEAD + "include: shared/gates.yaml\nprecison: int8\n")
    found = [one.text("recipe.yaml") for one in problems_in("recipe.yaml")]
    assert found == [
        "recipe.yaml:5:1: unknown key 'precison' in the recipe",
        "shared/gates.yaml:3:3: unknown gate 'speed_up'",
        "shared/gates.yaml:4:7: 'seed' must be a whole number, found 'x'",
    ]


def test_an_error_of_a_later_floor_has_the_included_file() -> None:
    write("shared.yaml", "passes:\n  - simplify\n")
    write("recipe.yaml", HEAD + "include: shared.yaml\n")
    loaded = load_recipe("recipe.yaml")
    assert loaded.place(("passes", 0)) == Place(2, 5, file="shared.yaml")
    assert loaded.error(("passes", 0), "no").message == "shared.yaml:2:5: no"


REFUSED = {
    "missing": ({}, "include: gone.yaml", "recipe.yaml:4:10: gone.yaml: no such file"),
    "a folder": ({}, "include: .", "recipe.yaml:4:10: . is a folder"),
    "not a file's name": (
        {}, "include: 7", "recipe.yaml:4:10: 'include' must be a file or a list of files, found 7",
    ),
    "no mapping": ({"a.yaml": "- 1\n"}, "include: a.yaml",
                   "a.yaml:1:1: an included file must be a mapping, found a list"),
    "empty": ({"a.yaml": "# x\n"}, "include: a.yaml",
              "a.yaml:1:1: an included file must be a mapping, found nothing"),
    "no YAML": ({"a.yaml": "seed: 1\n\tto: ir\n"}, "include: a.yaml",
                "a.yaml:2:1: not valid YAML: a tab cannot indent"),
    "another version": ({"a.yaml": "optkit: 2\n"}, "include: a.yaml",
                        "a.yaml:1:9: version 2 of the recipe's form needs a newer optkit"),
    "itself": ({}, "include: recipe.yaml",
               "recipe.yaml:4:10: a file includes itself: recipe.yaml → recipe.yaml"),
    "in a circle": (
        {"a.yaml": "include: sub/b.yaml\n", "sub/b.yaml": "seed: 1\ninclude: ../a.yaml\n"},
        "include: a.yaml",
        "sub/b.yaml:2:10: a file includes itself: recipe.yaml → a.yaml → b.yaml → a.yaml",
    ),
    "too deep": (
        {f"{n}.yaml": f"include: {n + 1}.yaml\n" for n in range(20)}, "include: 0.yaml",
        "7.yaml:1:10: more than 8 levels or 32 files of includes",
    ),
    "too many": (
        {"a.yaml": "seed: 1\n"}, f"include: [{', '.join(['a.yaml'] * 40)}]",
        "recipe.yaml:4:267: more than 8 levels or 32 files of includes",
    ),
    "opening folders": ({"a.yaml": "seed: 1\noutside: /\n"}, "include: a.yaml",
                        "a.yaml:2:1: an included file cannot open folders outside"),
    "outside": ({}, "include: ../a.yaml",
                "recipe.yaml:4:10: 'include' leads outside the recipe's folder: ../a.yaml"),
    "unset": ({}, "include: '${env:OPTKIT_NOT_SET}.yaml'",
              "recipe.yaml:4:11: the environment variable OPTKIT_NOT_SET is not set"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_included_is_told_where_it_is_asked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPTKIT_NOT_SET", raising=False)
    files, line, message = REFUSED[name]
    for file, text in files.items():
        write(file, text)
    write("recipe.yaml", f"{HEAD}{line}\n")
    found, hint = mistake()
    assert found == message
    assert hint


def test_what_bombs_together_add_up() -> None:
    for name in "abc":
        write(f"{name}.yaml", f"tune: {{settings: {{streams: [{', '.join('1' * 4000)}]}}}}\n")
    write("recipe.yaml", HEAD + "include: [a.yaml, b.yaml, c.yaml]\n")
    assert mistake()[0] == "c.yaml:1:1: more than 10000 values with all that is included"


def test_an_included_file_lies_outside_where_that_is_asked_for() -> None:
    write("shared/gates.yaml", "gates: {cosine: {min: 0.9}}\ndata: {calibration: {path: c.npz}}\n")
    write("recipes/recipe.yaml", HEAD + "include: ../shared/gates.yaml\noutside: ../shared\n")
    loaded = load_recipe("recipes/recipe.yaml")
    assert loaded.recipe.gates == {"cosine": Gate(min=0.9)}
    assert loaded.recipe.data.calibration is not None
    assert loaded.recipe.data.calibration.path == "../shared/c.npz"
