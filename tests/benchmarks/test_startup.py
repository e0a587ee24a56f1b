"""Claims: help is instant, lint takes at most half a second of CPU."""

import sys

import pytest
from measuring import EXAMPLE, child_cpu

pytestmark = pytest.mark.bench

REPEATS = 15


def test_help_costs_little_more_than_typer(table) -> None:
    bare, helped = [], []
    for _ in range(REPEATS):
        bare.append(child_cpu([sys.executable, "-c", "import typer"]))
        helped.append(child_cpu([sys.executable, "-m", "optkit", "--help"]))
    ratio = min(helped) / min(bare)
    table(
        "optkit --help against python -c 'import typer' (CPU, least of 15)",
        [("import typer (ms)", min(bare) * 1e3), ("optkit --help (ms)", min(helped) * 1e3),
         ("ratio (at most 2.5)", ratio)],
    )  # fmt: skip
    assert ratio <= 2.5


def test_lint_takes_half_a_second_at_most(table) -> None:
    command = [sys.executable, "-m", "optkit", "lint", str(EXAMPLE / "recipe.yaml")]
    spent = min(child_cpu(command) for _ in range(REPEATS))
    table("optkit lint (CPU, least of 15)", [("seconds (at most 0.5)", spent)])
    assert spent <= 0.5
