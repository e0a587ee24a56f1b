"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="The model file, in any format optkit reads.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the libraries' own log too.")]
Trust = Annotated[
    bool, typer.Option("--trust-code", help="Allow the model's and the recipe's own code to run.")
]
Output = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it
    typer.Option("--output", "-o", help="The folder to write; ./NAME-optkit by default."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace an output folder that optkit did not write.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep nothing, take nothing kept.")]
Remeasure = Annotated[
    bool, typer.Option("--remeasure", help="Repeat validation and benchmark even where known.")
]
Baseline = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help="What gates hold the figures against: a baseline."),
]
BaselineModel = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="MODEL", help="The baseline's own model, to be timed beside the new one."),
]
Locked = Annotated[
    bool,
    typer.Option(
        "--locked",
        help="Refuse to run if anything differs from the optkit.lock beside the recipe, or in its "
        "output folder; a lock elsewhere is named behind it.",
    ),
]
Lock = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="LOCK", help="The same by the lock that is named."),
]
Report = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help="Write what was found, with pictures, to this HTML page."),
]
Markdown = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        metavar="FILE",
        help="Write the report as Markdown; added to the file where it is $GITHUB_STEP_SUMMARY.",
    ),
]
Junit = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help="Write JUnit XML: each step and each gate a test case."),
]
Inputs = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--input",
        metavar="SPEC",
        help="name=1,3,224,224:float32; name and dtype may be left out, a dimension may be ? or "
        "1..64. Repeatable.",
    ),
]
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Samples: .npz, .npy, a folder of those or of images, or module:callable."),
]
Labels = Annotated[Optional[str], typer.Option(help="Key of the labels in the data.")]  # noqa: UP045
Metric = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Task metric: accuracy (default with labels), top5, mse."),
]
Gates = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--gate", metavar="BOUND", help="Fail unless it holds: 'accuracy_drop<=0.01'. Repeatable."
    ),
]
Factory = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="MODULE:CALLABLE",
        help="Builds the network for weights without a graph; needs --trust-code.",
    ),
]
Set = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="A.B=VALUE", help="Override a key of the recipe. Repeatable."),
]
Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.")]
