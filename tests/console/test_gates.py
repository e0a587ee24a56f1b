"""What is said of a gate beside its verdict."""

import io

import pytest
from rich.console import Console as Rich

from optkit.console.gates import print_gates, print_missed

HELD = {"artifact": "model.xml", "name": "latency_ms_p50", "bound": "increase <= 10%",
        "value": 1.25, "held": True, "verdict": "held"}  # fmt: skip


def shown(*gates):
    out = io.StringIO()
    print_gates(Rich(file=out, width=160, highlight=False), [{**HELD, **gate} for gate in gates])
    return out.getvalue()


def test_of_several_artifacts_each_gate_names_its_own():
    assert "model.xml" not in shown({}, {"name": "cosine"})
    print_gates(Rich(file=io.StringIO()), [{k: HELD[k] for k in HELD if k != "artifact"}])
    text = shown({}, {"artifact": "model.onnx"})
    assert [line.split()[:2] for line in text.splitlines() if "latency" in line] == [
        ["model.xml", "latency_ms_p50"], ["model.onnx", "latency_ms_p50"],
    ]  # fmt: skip


def test_a_change_is_told_with_what_it_is_from():
    text = shown({"baseline": 1.0, "ci95": [1.2, 1.3],
                  "change": {"value": 1.25, "ci95": [1.2, 1.301]}})  # fmt: skip
    assert "1.25 (1.2 to 1.3)" in text
    assert "increase <= 10% from 1: +25.0 % (+20.0 % to +30.1 %)" in text


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ({"verdict": "too noisy"}, "too noisy, not gated"),
        ({"verdict": "too noisy"}, "latency_ms_p50: too noisy: its interval holds the bound"),
        ({"verdict": "too noisy", "held": False}, " too noisy "),
        (
            {"verdict": "not comparable", "note": "another machine"},
            "not comparable: another machine",
        ),
        ({"better": True}, "raise it with optkit baseline update"),
        ({"calm": [1.02, 1.0, 1.04]}, "its least disturbed samples decide: a ratio of 1.02 (1 to "),
        ({"verdict": "missed", "held": False, "note": "no such figure"}, "p50: no such figure"),
        ({"at": "CPU offline"}, "1.25 on CPU offline"),
        ({"value": None}, "not measured"),
    ],
)
def test_what_has_to_be_said(gate, told):
    assert told in shown(gate)


def test_a_gate_that_simply_holds_needs_no_word():
    assert shown({"note": "timed side by side"}).count("latency_ms_p50") == 1


def test_a_miss_is_told_to_quiet_users_as_well(capsys):
    row = {**HELD, "held": False, "verdict": "missed", "baseline": 1,
           "change": {"value": 1.25, "ci95": [1.25, 1.25]}}  # fmt: skip
    print_missed([row, HELD])
    assert capsys.readouterr().err == (
        "model.xml: gate latency_ms_p50 missed: 1.25, bound increase <= 10% from 1: +25.0 %\n"
    )
