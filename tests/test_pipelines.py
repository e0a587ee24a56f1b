"""The example pipelines are what their CI takes, and their commands do what they are there for."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import metadata
from pathlib import Path

import pytest
from pipelines import (
    ACTION,
    EXAMPLES,
    GITLAB,
    PRE_COMMIT,
    ROOT,
    WORKFLOW,
    Command,
    github_commands,
    gitlab_commands,
    ran,
)

DIGITS = ROOT / "examples" / "01_digits"
TOOLS = Path(sys.executable).parent


def tool(name: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (ACTION, ["vendor.github-actions"]),
        (WORKFLOW, ["vendor.github-workflows"]),
        (WORKFLOW, ["custom.github-workflows-require-timeout"]),
        (GITLAB, ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_it_is_of_its_cis_schema(file: Path, schema: list[str], tmp_path: Path) -> None:
    done = tool("check-jsonschema", "--builtin-schema", *schema, file)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / file.name
    broken.write_text(file.read_text().replace("steps:", "stepz:").replace("script:", "scrip:")
                      .replace("timeout-minutes", "timeout"))  # fmt: skip
    assert tool("check-jsonschema", "--builtin-schema", *schema, broken).returncode == 1


def test_pre_commit_takes_the_configuration_and_the_hooks() -> None:
    assert tool("pre-commit", "validate-config", PRE_COMMIT).returncode == 0
    assert tool("pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml").returncode == 0


def test_no_expression_stands_in_a_script(tmp_path: Path) -> None:
    """What a pull request brings reaches the shell as a variable, never as its text."""
    for command in (*github_commands(tmp_path), *gitlab_commands(tmp_path)):
        assert "${{" not in command.text, command.name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's repository: a model, its data, and a recipe that a moment is enough for."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    for name in ("digits.pt", "calibration.npz", "validation.npz"):
        shutil.copy(DIGITS / name, folder / "recipes" / name)
    text = (DIGITS / "recipe.yaml").read_text()
    quick = text.replace("seconds: 2", "seconds: 0.2").replace("subset_size: 300", "effort: fast")
    (folder / "recipes" / "digits.yaml").write_text(quick)
    return folder


def run_all(
    commands: list[Command], folder: Path, ci: dict[str, str]
) -> dict[str, subprocess.CompletedProcess[str]]:
    """A pipeline's commands; after one that fails, those that are always run."""
    ended: dict[str, subprocess.CompletedProcess[str]] = {}
    failed = False
    for command in commands:
        if "pip install" in command.text and not installed():
            continue  # the package index is not the place to look for this very tree
        if failed and not command.always:
            continue
        ended[command.name] = ran(command, folder, ci)
        failed = failed or ended[command.name].returncode != 0
    return ended


def installed() -> bool:
    try:
        return bool(metadata.version("optkit"))
    except metadata.PackageNotFoundError:
        return False


def of_ci(text: str) -> None:
    """What a log can take: no colour, nothing that is drawn over."""
    assert "\x1b" not in text
    assert "\r" not in text


def test_the_github_action(project: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    ci = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project),
          "GITHUB_STEP_SUMMARY": str(summary)}  # fmt: skip
    commands = github_commands(tmp_path)
    first = run_all(commands, project, ci)
    for name, done in first.items():
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        of_ci(done.stdout + done.stderr)
    assert first["Check the recipes"].stdout == "1 recipe checked: no mistakes\n"
    assert (project / "optkit-output" / "model.xml").is_file()
    assert "quantize_int8: done" in first["Run the recipes"].stdout

    assert "digits.pt: every gate held" in summary.read_text()

    # with the store as the cache brings it back, an unchanged project is answered from there
    again = run_all(commands, project, ci)["Run the recipes"]
    assert again.returncode == 0
    manifest = json.loads((project / "optkit-output" / "optkit.json").read_text())
    assert all(row["cached"] for key in ("steps", "validation", "benchmark")
               for row in manifest[key])  # fmt: skip

    recipe = project / "recipes" / "digits.yaml"
    recipe.write_text(
        recipe.read_text().replace("size_ratio: {max: 0.33}", "size_ratio: {max: 0.1}")
    )
    missed = run_all(commands, project, ci)
    assert missed["Run the recipes"].returncode == 3
    line = recipe.read_text().splitlines().index("  size_ratio: {max: 0.1}") + 1
    mark = f"::error title=optkit,file=recipes/digits.yaml,line={line},col=3::model.xml: gate"
    assert mark in missed["Run the recipes"].stderr
    assert missed["Make room in the store"].returncode == 0

    recipe.write_text(recipe.read_text().replace("to: ir", "to: irr"))
    wrong = run_all(commands, project, ci)
    assert wrong["Check the recipes"].returncode == 2
    assert (
        "::error title=optkit,file=recipes/digits.yaml,line=" in wrong["Check the recipes"].stderr
    )
    assert "Run the recipes" not in wrong


def test_the_gitlab_pipeline(project: Path) -> None:
    ended = run_all(gitlab_commands(project), project, {"GITLAB_CI": "true"})
    for name, done in ended.items():
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        of_ci(done.stdout + done.stderr)
    assert (project / "optkit-output" / "model.xml").is_file()
    assert (project / ".optkit-store").is_dir()
    assert "::error" not in ended["recipes script"].stderr
    results = ET.parse(project / "optkit-junit.xml").getroot()
    assert {"accuracy_drop", "size_ratio"} <= {
        word for case in results.iter("testcase") for word in case.attrib["name"].split()
    }


@pytest.mark.parametrize("way", ["the example", "the hooks of this repository"])
def test_pre_commit(way: str, project: Path, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]

    def repository(folder: Path) -> None:
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)

    env = {"PATH": f"{TOOLS}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
           "PRE_COMMIT_HOME": str(tmp_path / "pre-commit")}  # fmt: skip
    shutil.copy(PRE_COMMIT, project / PRE_COMMIT.name)
    repository(project)
    command = ["run", "--all-files"]
    if way != "the example":
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
        repository(hooks)
        command = ["try-repo", hooks, "optkit-lint-system", "--all-files"]
    done = tool("pre-commit", *command, cwd=project, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    recipe = project / "recipes" / "digits.yaml"
    recipe.write_text(recipe.read_text().replace("to: ir", "to: irr"))
    done = tool("pre-commit", *command, cwd=project, env=env)
    assert done.returncode == 1
    assert "recipes/digits.yaml:9:5: unknown format 'irr'" in done.stdout


def test_everything_there_is_spoken_of() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.name != "README.md"]
    assert files
    for path in files:
        assert path.relative_to(EXAMPLES).as_posix() in readme
