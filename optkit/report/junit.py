"""Reports as JUnit XML: each step and each gate is a test case.

The form is the one that Jenkins, GitLab and GitHub's actions read (`testsuites`, `testsuite`,
`testcase` with `failure`, `error` or `skipped`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

from optkit.core.errors import OptkitError
from optkit.report.sections import gates
from optkit.report.sections.steps import changes
from optkit.report.tables import parts
from optkit.report.words import writable

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One test case.

    Attributes:
        group: what it belongs to: `step`, `gate`.
        name: of the case.
        seconds: that it took.
        outcome: how it ended; passed where it is empty.
        message: why it did not pass, in a line.
        text: the same at length; of a case that passed, what it did.
    """

    group: str
    name: str
    seconds: float = 0.0
    outcome: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    text: str = ""


def render_runs(runs: Sequence[tuple[str, Row | BaseException | None]]) -> str:
    """A suite for each run, by name.

    Args:
        runs: the manifest of each; the error that ended it before there was one; or None, where it
            was left out as one before it ended badly.
    """
    return _document([
        (name, [_came_to_nothing(run)], {})
        if run is None or isinstance(run, BaseException)
        else (name, [*_cases(run)], _properties(run))
        for name, run in runs
    ])


def _came_to_nothing(error: BaseException | None) -> Case:
    """Left out, bad input, or a fault."""
    if error is None:
        return Case("run", "run", outcome="skipped", message="not run, as one before it failed")
    if not isinstance(error, OptkitError):
        told = f"{type(error).__name__}: {error}"
        return Case("run", "run", outcome="error", message=told, text=told)
    text = f"{error.message}\nfix: {error.hint}" if error.hint else error.message
    return Case("run", "run", outcome="error", message=error.message, text=text)


def _cases(run: Row) -> Iterator[Case]:
    for number, step in enumerate(run.get("steps", ()), 1):
        told = "; ".join(part.text for part in parts(changes(step)))
        cached = " (cached)" if step["cached"] else ""
        yield Case("step", f"{number}. {step['pass']}", step["seconds"], text=told + cached)
    if error := run.get("error"):
        name = f"{len(run['steps']) + 1}. {error['step']}" if error.get("step") else "run"
        text = f"{error['message']}\nfix: {error['hint']}"
        yield Case("step", name, outcome="failure", message=error["message"], text=text)
    for gate in run["gates"]:
        yield _gate(gate)


def _gate(gate: Row) -> Case:
    name = f"{gate['artifact']}: {gate['name']}"
    told = f"measured {gates.measured(gate)}, bound {gates.bound(gate)}"
    message = f"{gates.standing(gate)}: {gates.sentence(gate)}"
    if not gate["held"]:
        return Case("gate", name, outcome="failure", message=message, text=told)
    if gates.undecided(gate):
        return Case("gate", name, outcome="skipped", message=message, text=told)
    return Case("gate", name, text="\n".join(filter(None, (told, gates.remark(gate)))))


def _properties(run: Row) -> dict[str, str]:
    if "environment" not in run:  # models held against each other, no run
        return {}
    found = run["environment"]
    return {
        "status": run["status"],
        "model": run["model"]["sha256"],
        "optkit": found["optkit"],
        "processor": found["cpu"],
        **{name: str(version) for name, version in found["versions"].items() if version},
    }


def _document(suites: Sequence[tuple[str, Sequence[Case], Mapping[str, str]]]) -> str:
    every = [case for _, cases, _ in suites for case in cases]
    root = ET.Element("testsuites", {"name": "optkit", **_totals(every)})
    for name, cases, properties in suites:
        suite = ET.SubElement(root, "testsuite", {"name": writable(name), **_totals(cases)})
        if properties:
            held = ET.SubElement(suite, "properties")
            for key, value in properties.items():
                ET.SubElement(held, "property", {"name": writable(key), "value": writable(value)})
        for case in cases:
            _write(suite, name, case)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join((
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "\n",
    ))


def _totals(cases: Sequence[Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(outcomes.count("failure")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _write(suite: ET.Element, name: str, case: Case) -> None:
    about = {
        "classname": writable(f"{name}.{case.group}"),
        "name": writable(case.name),
        "time": f"{case.seconds:.3f}",
    }
    element = ET.SubElement(suite, "testcase", about)
    if case.outcome:
        told = {"message": writable(case.message)}
        if case.outcome != "skipped":
            told["type"] = case.group
        ET.SubElement(element, case.outcome, told).text = writable(case.text)
    elif case.text:
        ET.SubElement(element, "system-out").text = writable(case.text)
