"""The example pipelines' commands, taken out of their files and run as their CI would.

What a CI system does itself is left to it: checking out, caching, uploading. Its expressions are
filled in from what it would know.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "02_pipelines"
ACTION = EXAMPLES / "github/.github/actions/optkit/action.yml"
WORKFLOW = EXAMPLES / "github/.github/workflows/model.yml"
GITLAB = EXAMPLES / "gitlab/.gitlab-ci.yml"
PRE_COMMIT = EXAMPLES / "pre-commit/.pre-commit-config.yaml"

_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True)
class Command:
    """A command of a pipeline.

    Attributes:
        name: the step's or the job's.
        text: for bash.
        env: what it is given beside the job's environment.
        always: whether it is run after a failure too.
    """

    name: str
    text: str
    env: Mapping[str, str]
    always: bool = False


def github_commands(temp: Path) -> list[Command]:
    """The `run:` steps of the action, with the inputs that the workflow gives it."""
    action, workflow = load(ACTION), load(WORKFLOW)
    (job,) = workflow["jobs"].values()
    (use,) = [step for step in job["steps"] if step["uses"].startswith("./")]
    assert (EXAMPLES / "github" / use["uses"] / "action.yml").resolve() == ACTION.resolve()
    known = {
        f"inputs.{name}": str(use["with"].get(name, told.get("default", "")))
        for name, told in action["inputs"].items()
    }
    known["runner.temp"] = str(temp)
    return [
        Command(
            step["name"],
            step["run"],
            {key: filled(value, known) for key, value in step.get("env", {}).items()},
            always=step.get("if", "").startswith("always()"),
        )
        for step in action["runs"]["steps"]
        if "run" in step
    ]


def gitlab_commands(project: Path) -> list[Command]:
    """The scripts of every job, in the order of the stages."""
    document = load(GITLAB)
    variables = {"CI_PROJECT_DIR": str(project)}
    for name, value in document["variables"].items():
        variables[name] = re.sub(r"\$(\w+)", lambda match: variables[match[1]], value)
    jobs = {name: job for name, job in document.items() if isinstance(job, dict) and "stage" in job}
    ordered = sorted(jobs.items(), key=lambda item: document["stages"].index(item[1]["stage"]))
    commands = []
    for name, job in ordered:
        before = document["default"]["before_script"]
        for key in ("before", "script", "after_script"):
            lines = before if key == "before" else job.get(key, [])
            text = "\n".join(lines)
            commands.append(Command(f"{name} {key}", text, variables, always=key == "after_script"))
    return [command for command in commands if command.text]


def load(path: Path) -> Any:
    """A YAML file as its CI reads it: `on` is a word."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def filled(text: str, known: Mapping[str, str]) -> str:
    """A text with its expressions filled in; one that is not known is a mistake of the example."""
    return _EXPRESSION.sub(lambda match: known[match[1]], text)


def ran(command: Command, folder: Path, ci: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it as a CI does: bash that stops at the first failure, no terminal, nothing to type."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CI": "true",
        **ci,
        **command.env,
    }
    for name in ("NO_COLOR", "COLUMNS", "TERM"):
        env.pop(name, None)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command.text],
        cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
