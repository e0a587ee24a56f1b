"""The file of a baseline can be read by people, and what cannot be read is told in one line."""

import json

import pytest

from optkit.core.errors import OptkitError
from optkit.engine.baseline.document import figures_of, read_baseline, to_text
from optkit.engine.baseline.take import make_baseline

WORDS = ("p50", "p90", "p95", "p99", "mean")
MANIFEST = {
    "model": {"path": "models/net.pt", "sha256": "a" * 64,
              "inputs": [{"name": "x", "shape": [1, 4], "dtype": "float32"}],
              "outputs": [{"name": "y", "shape": [1, 2], "dtype": "float32"}]},
    "steps": [{"pass": "emit_ir", "seconds": 0.5}],
    "artifacts": [
        {"path": "model.xml", "format": "ir", "bytes": 1000, "size_ratio": None, "sha256": "b" * 64,
         "precision": {"requested": "fp32", "achieved": {"fp32": 2}},
         "network": {"parameters": 10, "flops": None, "operations": 3}},
    ],
    "validation": [
        {"artifact": "model.xml", "metric": None, "outputs": [
            {"name": "y", "cosine": 0.9999912345, "sqnr_db": None, "max_abs": 0.0, "max_rel": 0.0,
             "problem": None, "verdict": "compared"}]},
    ],
    "benchmark": [
        {"artifact": "model.xml", "device": "CPU", "scenario": "single-stream", "rounds": 40,
         "throughput_per_s": 500.0, "settings": {"batch": 1},
         "latency_ms": {**dict.fromkeys(WORDS, 2.0),
                        "intervals": {word: [1.98765432, 2.01234567] for word in WORDS}},
         "speedup": None,
         "speedup_vs_source": {"value": 1.5, "ci95": [1.4, 1.6], "against": "source",
                               "percentiles": {"p99": {"value": 1.2, "ci95": [1.0, 1.4]}}}},
    ],
    "environment": {"optkit": "0.1", "versions": {"numpy": "2"}, "cpu": "Z80", "cores": 1,
                    "isa": ["mmx"], "os": "CP/M"},
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(to_text(make_baseline(MANIFEST, ["steps/emit_ir/seconds"])))
    return path


def test_what_it_keeps(place):
    content = read_baseline(place).content
    assert content["model"] == {
        "name": "net", "sha256": "a" * 64,
        "inputs": ["x=1,4:float32"], "outputs": ["y=1,2:float32"],
    }  # fmt: skip
    artifact = content["artifacts"]["ir"]
    assert artifact["figures"] == {
        "size_bytes": 1000, "cosine": 0.9999912345, "sqnr_db": None, "max_abs": 0.0, "max_rel": 0.0,
        "steps/emit_ir/seconds": 0.5,
    }  # fmt: skip
    timing = artifact["timing"]["CPU single-stream"]
    assert timing["speedup_vs_source"] == {"value": 1.5, "ci95": [1.4, 1.6]}
    assert timing["speedup_vs_source_p99"] == {"value": 1.2, "ci95": [1.0, 1.4]}
    assert timing["latency_ms_p50"] == {"value": 2.0, "ci95": [1.9877, 2.0123]}
    assert "speedup" not in timing
    assert artifact["settings"] == {"CPU single-stream": {"batch": 1}}


def test_figures_come_back_with_their_places(place):
    found = figures_of(read_baseline(place).artifact("ir"))
    (median,) = found["latency_ms_p50"]
    assert (median.value, median.ci95, median.at) == (2.0, (1.9877, 2.0123), "CPU single-stream")
    assert found["size_bytes"][0].ci95 is None
    assert found["sqnr_db"][0].value == float("inf")


def test_a_changed_figure_is_a_changed_line(place):
    lines = place.read_text().splitlines()
    assert max(map(len, lines)) <= 100
    other = json.loads(place.read_text())
    other["artifacts"]["ir"]["timing"]["CPU single-stream"]["latency_ms_p50"]["value"] = 3.0
    changed = to_text(other).splitlines()
    assert len(changed) == len(lines)
    assert sum(one != two for one, two in zip(lines, changed, strict=True)) == 1


def edited(place, change):
    content = json.loads(place.read_text())
    change(content)
    place.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it.update(schema="optkit/baseline/0"), "has the schema 'optkit/baseline/0'"),
        (lambda it: it.pop("schema"), "names no schema"),
        (lambda it: it.pop("machine"), "lacks machine"),
        (lambda it: it.update(artifacts=[]), "holds something else at artifacts"),
        (lambda it: it["artifacts"].update(ir=3), "holds no mapping at artifacts.ir"),
        (lambda it: it["artifacts"]["ir"].pop("timing"), "lacks artifacts.ir.timing"),
        (lambda it: it["artifacts"]["ir"]["figures"].update(cosine="high"),
         "holds no number at artifacts.ir.figures.cosine"),
        (lambda it: it["artifacts"]["ir"]["timing"].update(CPU={"speedup": {"value": 2}}),
         "holds no figure with its interval at artifacts.ir.timing.CPU.speedup"),
        (lambda it: it["artifacts"]["ir"]["timing"].update(
            CPU={"speedup": {"value": 2, "ci95": [0, 1]}}),
         "holds no figure with its interval at artifacts.ir.timing.CPU.speedup"),
    ],
)  # fmt: skip
def test_a_broken_baseline_is_told(place, change, told):
    edited(place, change)
    with pytest.raises(OptkitError) as caught:
        read_baseline(place)
    assert caught.value.exit_code == 2
    assert told in caught.value.message
    assert "optkit baseline update" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", '{"schema": ', "[1, 2", "\xff\xfe", "[" * 100_000])
def test_what_is_no_json_is_told_with_its_place(place, text):
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(OptkitError) as caught:
        read_baseline(place)
    assert caught.value.exit_code == 2
    assert "no JSON" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_baseline_that_is_not_there(tmp_path):
    with pytest.raises(OptkitError) as caught:
        read_baseline(tmp_path / "none.json")
    assert caught.value.exit_code == 2
    assert caught.value.hint.startswith("write it from a run that is good")
