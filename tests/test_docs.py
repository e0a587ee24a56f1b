"""Documents that are generated from the code are fresh; every command is in the README."""

from pathlib import Path

import optkit
from optkit.catalogue import all_passes
from optkit.cli import reference
from optkit.cli.main import COMMANDS, GROUPS

ROOT = Path(optkit.__file__).parents[1]


def test_the_reference_is_fresh() -> None:
    stale = "stale: python -m optkit.cli.reference"
    assert reference.FILE.read_text(encoding="utf-8") == reference.reference(), stale


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in (*COMMANDS, *GROUPS) if f"optkit {name}" not in readme]
    assert not missing


def test_every_graph_pass_shows_given_and_result() -> None:
    documented = {item.name: item.run.__doc__ or "" for item in all_passes() if item.gives is None}
    lacking = [
        name for name, text in documented.items() if not {"Given:", "Result:"} <= {*text.split()}
    ]
    assert not lacking


def test_ci_runs_the_readmes_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace(" --quiet", "")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    for command in commands:
        assert command in script
