"""What candidates cost, and which of them nothing beats."""

import math

from optkit.report.pictures import search


def candidate(name, latency, sqnr, status="slower", *, front=False):
    return {
        "name": name, "variant": name, "status": status, "on_front": front,
        "undisturbed": latency and {"latency_ms": latency, "throughput_per_s": 1000 / latency},
        "fidelity": {"sqnr_db": sqnr}, "size_bytes": 2_000_000,
    }  # fmt: skip


ROWS = [
    candidate("ir-int8", 1.0, 30.0, "picked", front=True),
    candidate("ir-fp32", 2.0, 120.0, front=True),
    candidate("source", 4.0, math.inf),
    candidate("onnx-int8", None, None, "not made"),
]


def drawn(objective):
    return {
        one.title: one for one in search.of_search({"objective": objective, "candidates": ROWS})
    }


def test_fidelity_and_size_against_time():
    figures = drawn("latency")
    assert list(figures) == ["Time against fidelity", "Time against size"]
    picked, front, others = figures["Time against size"].series
    assert [(mark.x, mark.y, mark.label) for mark in picked.marks] == [(1.0, 2.0, "ir-int8")]
    assert [mark.x for mark in front.marks] == [2.0]
    assert [mark.x for mark in others.marks] == [4.0]


def test_what_is_the_source_itself_has_no_place_among_losses():
    marks = [mark for one in drawn("latency")["Time against fidelity"].series for mark in one.marks]
    assert [(mark.x, mark.y) for mark in marks] == [(1.0, 30.0), (2.0, 120.0)]


def test_throughput_is_told_in_inputs_per_second():
    (picked, *_) = drawn("throughput")["Time against size"].series
    assert picked.marks[0].x == 1000


def test_one_candidate_alone_is_no_choice():
    assert list(search.of_search({"objective": "latency", "candidates": ROWS[:1]})) == []
