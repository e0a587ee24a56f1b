"""Gates: bounds on what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optkit.core.contract import Pass
from optkit.engine.gates.figures import MISSING, Figure
from optkit.engine.gates.past import Past
from optkit.engine.gates.relative import faster, judge_change
from optkit.engine.gates.verdict import UNDECIDED, Verdict, within, worst
from optkit.recipe.gates import Bound, Gate
from optkit.validate.bounds import default_cosine

Row = dict[str, Any]


@dataclass(frozen=True)
class Against:
    """What figures are held against beside the gates' own numbers.

    Attributes:
        past: what the baseline knows of the artifact; None where there is no baseline.
        network: what the artifact was made from, as `Past.network`.
        strict: what cannot be decided fails the run.
        waived: bounds on a change are passed by: a first baseline is being taken.
    """

    past: Past | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    waived: bool = False


NOTHING = Against()


def judge(
    wanted: Mapping[str, Bound],
    figures: Mapping[str, Sequence[Figure]],
    precision: str,
    passes: Iterable[Pass] = (),
    against: Against = NOTHING,
) -> list[Row]:
    """Hold figures against the recipe's gates and the default bound of the precision.

    Args:
        wanted: the recipe's gates.
        figures: what was measured, by the gate's name; none for a figure that could not be.
        precision: decides the default bound on the cosine similarity.
        passes: what changed the model; one that makes another network of it lowers that bound.
        against: the baseline, and what becomes of what cannot be decided.

    Returns:
        One row per gate: name, bound, value, held, verdict, and what else there is to tell:
        `ci95`, `at`, `baseline`, `change`, `better`, `note`. A figure that was not measured is
        missed.
    """
    own = [item.cosine for item in passes if item.cosine is not None]
    bounds = {"cosine": Bound(min=min([default_cosine(precision), *own])), **wanted}
    rows = []
    for name, bound in bounds.items():
        gate = bound if isinstance(bound, Gate) else Gate(**bound.model_dump())
        found = figures.get(name) or [MISSING]
        if against.past is not None and name == "speedup_vs_baseline":
            found = beside_baseline(figures, against.past, against.network) or [MISSING]
        elif against.waived and (not gate.absolute or name == "speedup_vs_baseline"):
            continue
        rows.append(_gate(name, gate, found, against))
    return rows


def beside_baseline(
    figures: Mapping[str, Sequence[Figure]], past: Past, network: Mapping[str, Any]
) -> list[Figure]:
    """How many times as fast as the baseline's model, for each device and scenario."""
    found = []
    for figure in figures.get("latency_ms_p50", ()):
        told = faster(figure, past, network)
        value, ends = (told.ratio[0], told.ratio[1:]) if told.ratio else (None, None)
        found.append(
            Figure(
                value, ends, figure.at, figure.certain, figure.row, told.how,
                comparable=told.ratio is not None, calm=told.calm,
            )
        )  # fmt: skip
    return found


def outputs_gate(outputs: Sequence[Mapping[str, Any]]) -> Row:
    """Every output is there, finite, and varies where the source's does; some can be compared."""
    problems = [f"{row['name']}: {row['problem']}" for row in outputs if row["problem"]]
    if not problems and all(row["verdict"] == "unverified" for row in outputs):
        problems = ["nothing verified: every output of the source is constant"]
    return {
        "name": "outputs",
        "bound": "finite, of the source's shape, varying",
        "value": "; ".join(problems) or "as they should be",
        "held": not problems,
        "verdict": _said(not problems),
    }


def precision_gate(precision: str, achieved: Mapping[str, int]) -> Row:
    """What was asked for is found in the artifact."""
    count = achieved.get(precision, 0)
    return {
        "name": "precision",
        "bound": f"some operation in {precision}",
        "value": count,
        "held": count > 0,
        "verdict": _said(count > 0),
    }


def promised(name: str, details: Mapping[str, Any]) -> list[Row]:
    """The bounds that a step was given in its own options, as it says it met or missed them."""
    return [
        {**row, "name": f"{name}.{row['name']}", "verdict": _said(row["held"])}
        for row in details.get("bounds", ())
    ]


def _said(held: bool) -> Verdict:
    return "held" if held else "missed"


def _gate(name: str, gate: Gate, figures: Sequence[Figure], against: Against) -> Row:
    """The row of a gate: of the figure that decides it, where there are several of the name."""
    told = [_judged(name, gate, figure, against) for figure in figures]
    verdict = worst([row["verdict"] for row in told])
    row = max((row for row in told if row["verdict"] == verdict), key=lambda row: _over(gate, row))
    if len(told) == 1:
        row.pop("at", None)
    return {**row, "held": verdict == "held" or (verdict in UNDECIDED and not against.strict)}


def _judged(name: str, gate: Gate, figure: Figure, against: Against) -> Row:
    """One figure held against a gate."""
    told: Row = {"ci95": figure.ci95 and list(figure.ci95), "at": figure.at, "note": figure.note}
    verdicts = list[Verdict]()
    if figure.value is None:
        verdicts = ["missed" if figure.comparable else "not comparable"]
    elif gate.absolute:
        verdicts = [within(figure.interval, *gate.ends, certain=figure.certain)]
        if verdicts == ["too noisy"] and figure.calm and figure.certain:
            calm = within(figure.calm, *gate.ends)
            if calm != "too noisy":
                verdicts, told["calm"] = [calm], list(figure.calm)
    if gate.relative and against.past is None and not against.waived:
        verdicts.append("missed")
        told["note"] = "there is no baseline"
    elif figure.value is not None and gate.relative and against.past is not None:
        judged = judge_change(name, gate, figure, against.past, against.network)
        verdicts.append(judged.verdict)
        told |= {"baseline": judged.change.was, "note": judged.change.how, "better": judged.better}
        if judged.change.ratio is not None:
            value, low, high = judged.change.ratio
            told["change"] = {"value": value, "ci95": [low, high]}
        if judged.calm is not None:
            told["calm"] = list(judged.calm)
    return {
        "name": name,
        "bound": str(gate),
        "value": figure.value,
        "held": False,
        "verdict": worst(verdicts),
        **{key: value for key, value in told.items() if _worth_telling(value)},
    }


def _worth_telling(value: Any) -> bool:
    return value is not None and value is not False and value != ""


def _over(gate: Gate, row: Row) -> float:
    """How far a row's figure leans towards what its gate forbids, to choose among several."""
    value: float = row["value"] if row["value"] is not None else 0.0
    return -value if gate.min is not None or gate.max_decrease is not None else value
