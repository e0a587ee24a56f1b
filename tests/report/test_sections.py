"""What sections say of what a manifest may hold beside the usual."""

import pytest

from optkit.report.sections import gates, precision, size, speed, steps, verdict
from optkit.report.tables import parts

NOISY = "its interval holds the bound: measure longer, or on a quieter machine"
BETTER = "better than the baseline by more than the bound: optkit baseline update"


def gate(**more):
    return {"name": "latency_ms_p50", "artifact": "m.xml", "value": 1.25, "bound": "<= +10 %",
            "held": True, "verdict": "held", **more}  # fmt: skip


def words(cell):
    return [(one.text, one.tone) for one in parts(cell)]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (gate(), [("held", "good")]),
        (gate(held=False, verdict="missed"), [("missed", "bad")]),
        (gate(verdict="too noisy"), [("too noisy, not gated", "note"), (NOISY, "")]),
        (gate(verdict="too noisy", held=False), [("too noisy", "bad"), (NOISY, "")]),
        (gate(verdict="not comparable", note="another machine"),
         [("not comparable, not gated", "note"), ("another machine", "")]),
        (gate(better=True), [("held", "good"), (BETTER, "")]),
    ],
)  # fmt: skip
def test_how_a_gate_stands(row, found):
    assert words(gates.told(row)) == found


def test_a_gate_from_before_there_were_verdicts():
    row = gate(held=False)
    del row["verdict"]
    assert gates.standing(row) == "missed"


def test_a_change_from_the_baseline_is_told_with_its_interval():
    row = gate(ci95=[1.2, 1.3], at="CPU, offline", baseline=1.0,
               change={"value": 1.25, "ci95": [1.2, 1.3]})  # fmt: skip
    assert gates.measured(row) == "1.25 (1.2 to 1.3) on CPU, offline"
    assert gates.bound(row) == "<= +10 % from 1: +25.0 % (+20.0 % to +30.0 %)"
    assert gates.bound(gate(baseline=0)) == "<= +10 % from 0"


def test_gates_that_need_a_look_come_first():
    rows = [gate(name="a"), gate(name="b", verdict="too noisy"), gate(name="c", held=False)]
    assert [row[0] for row in gates.table({"gates": rows}).rows] == ["c", "b", "a"]


def step(**more):
    return {"pass": "p", "options": {}, "seconds": 0.5, "cached": False, "changed": True,
            "reason": None, "details": {}, "artifact": {"format": "ir", "bytes": 50, "sha256": "1"},
            **more}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (step(), "now ir"),
        (step(reason="best of 3"), "best of 3"),
        (step(details={"folded": 3, "asked": 1}, options={"asked": 1}), "folded 3"),
        (step(details={"sqnr_db": 40.5, "whole": True, "no": False}), "SQNR, dB: 40.5; whole"),
        (step(changed=False, reason="no BatchNorm"), "no change: no BatchNorm"),
        (step(details={"reverted": [f"layer{at}" for at in range(10)]}),
         "reverted: " + ", ".join(f"layer{at}" for at in range(8)) + " and 2 more"),
        (step(details={"nested": {"a": 1}, "table": [{"a": 1}]}), "now ir"),
    ],
)  # fmt: skip
def test_what_a_step_changed(row, told):
    assert "; ".join(one.text for one in parts(steps.changes(row))) == told


def test_steps_grow_and_shrink_and_are_cached():
    run = {"model": {"bytes": 100}, "artifacts": [], "steps": [step(), step(cached=True)]}
    rows = steps.table(run).rows
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("1. p", "−50.0 %", "0.50 s"), ("2. p", "±0 %", "cached"),
    ]  # fmt: skip


def test_steps_towards_another_result_do_not_grow_out_of_the_first():
    run = {"model": {"bytes": 100}, "artifacts": [{"sha256": "1"}, {"sha256": "2"}],
           "steps": [step(), step()]}  # fmt: skip
    assert [row[2] for row in steps.table(run).rows] == ["−50.0 %", ""]


def test_what_was_tried_is_a_table_of_its_own():
    tried = [{"candidate": "a", "sqnr_db": 40.0}, {"candidate": "b", "error": "no"}]
    table = steps.candidates(step(details={"tried": tried}))
    assert list(table.heads) == ["candidate", "sqnr (dB)", "error"]
    assert table.rows == [["a", "40", ""], ["b", "", "no"]]
    assert steps.candidates(step(details={"tried": tried[:1]})) is None


def artifact(**more):
    return {"path": "m.xml", "format": "ir", "bytes": 50, "size_ratio": 0.5, "precision": {
        "requested": "int8", "achieved": {"int8": 2, "fp32": 1},
        "by_operation": {"MatMul": {"fp32": 1}, "Convolution": {"int8": 2}}}, **more}  # fmt: skip


def test_precision_by_operation_the_most_frequent_first():
    table = precision.by_operation(artifact())
    assert list(table.heads) == ["operation", "int8", "fp32"]
    assert table.rows == [("Convolution", "2", "0"), ("MatMul", "0", "1")]
    older = artifact(precision={"requested": "int8", "achieved": {"int8": 2}})
    assert precision.by_operation(older) is None


def test_a_size_without_fp32_to_compare_with():
    run = {"model": {"format": "onnx", "bytes": 100}, "artifacts": [artifact(size_ratio=None)]}
    assert size.table(run).rows[1][3] == "no FP32 to compare with"
    run["artifacts"] = [artifact()]
    assert size.table(run).rows[1][2:] == ("50 B", "100 B", "2.00× smaller")


def test_what_makes_a_result_slower_is_named():
    conv = {"name": "conv", "type": "Convolution", "precision": "int8", "ms": 2.0,
            "instead_ms": 1.0}  # fmt: skip
    row = {"artifact": "m", "slower": {"than": "fp32", "operations": [conv]}}
    assert list(speed.causes([row])) == [
        "m is slower than fp32: conv (Convolution, int8) 2 ms instead of 1 ms"
    ]
    row["slower"] = {"than": "fp32", "error": "no profile"}
    assert list(speed.causes([row, {"artifact": "n"}])) == [
        "m is slower than fp32: cause not found: no profile"
    ]


def test_a_load_that_keeps_its_bound():
    row = {"artifact": "m", "runtime": "r", "device": "CPU", "scenario": "server",
           "latency_ms": {"p50": 1.0, "p99": 2.0}, "throughput_per_s": 50.0,
           "server": {"held": True, "latency_bound_ms": 100.0}}  # fmt: skip
    assert speed.table([row]).rows[0][4] == "50, p99 within 100 ms"
    row["server"]["held"] = False
    assert speed.table([row]).rows[0][4] == "none keeps p99 within 100 ms"


def test_an_output_that_is_broken_is_told_in_the_tiles():
    proof = {"artifact": "m.xml", "metric": None, "outputs": [{"problem": "NaN"}]}
    run = {"validation": [proof], "benchmark": []}
    assert [(tile.value, tile.tone) for tile in verdict.tiles(run, artifact())] == [
        ("2.00×", "good"), ("broken", "bad"),
    ]  # fmt: skip
