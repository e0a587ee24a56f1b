"""Any number of the manifest can be reached, and a wrong turn is told."""

import pytest

from optkit.engine.gates.measured import measured
from optkit.engine.gates.paths import figures_at, known_beside

MANIFEST = {
    "steps": [
        {"pass": "emit_ir", "seconds": 0.5, "details": {}},
        {"pass": "quantize_int8", "seconds": 9.0, "details": {"best": {"sqnr_db": 45}}},
    ],
    "artifacts": [
        {"path": "model.xml", "bytes": 100, "size_ratio": 0.3, "sha256": "aa",
         "precision": {"requested": "int8", "achieved": {"int8": 4}}},
    ],
    "validation": [
        {"artifact": "model.xml", "samples": 60, "metric": None, "outputs": [
            {"name": "logits", "cosine": 0.99, "sqnr_db": 30.0, "max_abs": 0.1, "max_rel": 0.01,
             "problem": None, "verdict": "compared"},
            {"name": "a/b", "cosine": 0.97, "sqnr_db": 20.0, "max_abs": 0.2, "max_rel": 0.02,
             "problem": None, "verdict": "compared"},
        ]},
    ],
    "benchmark": [
        {"artifact": name, "device": "CPU", "scenario": "single-stream", "rounds": 9,
         "throughput_per_s": 1000 / ms, "warmup": 3,
         "latency_ms": {"mean": ms, "p50": ms, "p90": ms, "p95": ms, "p99": ms,
                        "ci95": [ms - 0.1, ms + 0.1]}}
        for name, ms in (("source", 4.0), ("model.xml", 1.0))
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("steps/quantize_int8/seconds", [9.0]),
        ("steps/seconds", [0.5, 9.0]),
        ("steps/quantize_int8/details/best/sqnr_db", [45]),
        ("artifacts/model.xml/precision/achieved/int8", [4]),
        ("artifacts/bytes", [100]),
        ("validation/outputs/cosine", [0.99, 0.97]),
        ("validation/outputs/logits/cosine", [0.99]),
        ("benchmark/source/latency_ms/mean", [4.0]),
        ("benchmark/CPU/single-stream/model.xml/warmup", [3]),
        ("artifacts/sha256", []),
        ("steps/quantize_int8", []),
        ("steps/prune/seconds", []),
    ],
)
def test_the_way_to_a_figure(path, values):
    assert [figure.value for figure in figures_at(path, MANIFEST)] == values


def test_a_figure_brings_the_interval_that_stands_beside_it():
    (mean,) = figures_at("benchmark/source/latency_ms/mean", MANIFEST)
    assert mean.ci95 == (3.9, 4.1)
    (median,) = figures_at("benchmark/source/latency_ms/p50", MANIFEST)
    assert median.ci95 is None


def test_where_a_way_ends_the_next_words_are_told():
    assert known_beside("steps/quantise_int8/seconds", MANIFEST) == ["emit_ir", "quantize_int8"]
    assert "details" in known_beside("steps/emit_ir/second", MANIFEST)


def test_an_artifacts_own_rows_come_first():
    found = measured(
        ["benchmark/latency_ms/mean", "benchmark/source/warmup", "steps/prune/seconds"],
        MANIFEST, "model.xml",
    )  # fmt: skip
    assert [figure.value for figure in found["benchmark/latency_ms/mean"]] == [1.0]
    assert [figure.value for figure in found["benchmark/source/warmup"]] == [3]
    (missing,) = found["steps/prune/seconds"]
    assert missing.value is None
    assert missing.note == "no such figure; there is: emit_ir, quantize_int8"
    assert [figure.value for figure in found["cosine"]] == [0.97]
