"""A change is judged by what two measurements have in common, or not at all."""

import pytest

from optkit.engine.gates.figures import Figure
from optkit.engine.gates.past import Past
from optkit.engine.gates.relative import faster, judge_change
from optkit.recipe.gates import Gate

AT = "CPU single-stream"
NETWORK = {"parameters": 10, "flops": 20, "operations": 3}


def ratio(value, spread=0.02, **more):
    return {"value": value, "ci95": [value * (1 - spread), value * (1 + spread)], **more}


def timed(value, spread=0.02):
    return Figure(value, (value * (1 - spread), value * (1 + spread)), AT)


def row(latency=1.0, **ratios):
    """A benchmark row of an artifact, as far as gates look at it."""
    ends = [latency * 0.98, latency * 1.02]
    words = ("p50", "p90", "p95", "p99", "mean")
    return {
        "device": "CPU", "scenario": "single-stream", "rounds": 50, "throughput_per_s": 1 / latency,
        "latency_ms": {**dict.fromkeys(words, latency), "intervals": dict.fromkeys(words, ends)},
        **ratios,
    }  # fmt: skip


def latency(latency_=1.0, **ratios):
    return Figure(latency_, (latency_ * 0.98, latency_ * 1.02), AT, row=row(latency_, **ratios))


def past(**more):
    figures = {
        "speedup": [timed(2.0)], "latency_ms_p50": [timed(1.0)], "latency_ms_p99": [timed(3.0)],
        "speedup_p99": [timed(1.8)], "size_bytes": [Figure(1000)], "cosine": [Figure(0.98)],
        "accuracy_drop": [Figure(0.0)],
    }  # fmt: skip
    return Past(figures, NETWORK, **more)


def verdict(name, gate, figure, known=None, network=NETWORK):
    return judge_change(name, gate, figure, known or past(), network)


@pytest.mark.parametrize(
    ("gate", "value", "expected"),
    [
        (Gate(max_increase="5%"), 1050, "held"),
        (Gate(max_increase="5%"), 1051, "missed"),
        (Gate(max_increase=10), 1010, "held"),
        (Gate(max_increase=10), 1011, "missed"),
        (Gate(max_increase=0), 1000, "held"),
        (Gate(max_decrease=10), 2000, "held"),
        (Gate(max_decrease=10, max_increase=10), 1011, "missed"),
        (Gate(max_decrease=10, max_increase=10), 989, "missed"),
    ],
)
def test_what_does_not_vary_is_held_against_its_end(gate, value, expected):
    assert verdict("size_bytes", gate, Figure(value)).verdict == expected


def test_a_percentage_of_nothing_is_nothing():
    """A drop of 0.001 from a drop of 0 is more than any per cent of it."""
    assert verdict("accuracy_drop", Gate(max_increase="50%"), Figure(0.001)).verdict == "missed"
    assert verdict("accuracy_drop", Gate(max_increase="50%"), Figure(0.0)).verdict == "held"


@pytest.mark.parametrize(
    ("value", "better"), [(949, True), (951, False), (1000, False), (1040, False)]
)
def test_what_is_better_by_more_than_the_bound_is_said(value, better):
    assert verdict("size_bytes", Gate(max_increase="5%"), Figure(value)).better is better


def test_a_band_on_both_sides_knows_no_better():
    gate = Gate(max_increase=10, max_decrease=500)
    assert not verdict("size_bytes", gate, Figure(600)).better


def test_a_drift_of_the_whole_machine_is_no_change():
    """Everything takes 30 % longer, FP32 too: the ratio is as it was."""
    found = verdict("latency_ms_p50", Gate(max_increase="10%"), latency(1.3, speedup=ratio(2.0)))
    assert found.verdict == "held"
    assert found.change.ratio[0] == pytest.approx(1.0)
    assert found.change.how == "by the speedup of both runs"


def test_a_model_that_lost_a_fifth_against_fp32_is_caught():
    slow = latency(1.0, speedup=ratio(2.0 / 1.25))
    found = verdict("latency_ms_p50", Gate(max_increase="10%"), slow)
    assert found.verdict == "missed"
    assert found.change.ratio[0] == pytest.approx(1.25)
    assert verdict("throughput_per_s", Gate(max_decrease="10%"), slow).verdict == "not comparable"


def test_where_the_machine_is_noisy_what_was_left_alone_decides():
    calm = {"percentiles": {"p10": ratio(0.8)}}
    noisy = latency(1.0, speedup_vs_baseline=ratio(0.85, 0.2, **calm))
    found = verdict("latency_ms_p50", Gate(max_increase="10%"), noisy)
    assert found.verdict == "missed"
    assert found.calm == pytest.approx((1 / 0.8, 1 / 0.816, 1 / 0.784))
    known = past()
    known.figures["speedup_p10"] = [timed(2.0)]
    anchored = latency(1.0, speedup=ratio(2.0, 0.3, percentiles={"p10": ratio(2.0)}))
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), anchored, known).verdict == "held"
    undecided = latency(1.0, speedup_vs_baseline=ratio(0.85, 0.2, percentiles={"p10": ratio(0.9)}))
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), undecided).verdict == "too noisy"


def test_wide_intervals_decide_nothing():
    slow = latency(1.0, speedup=ratio(2.0 / 1.25, 0.2))
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), slow).verdict == "too noisy"


def test_the_baselines_model_beside_the_new_one_tells_best():
    """Whatever the machine and the network are now: both were timed here, in one run."""
    slow = latency(0.5, speedup=ratio(2.0), speedup_vs_baseline=ratio(0.8))
    for known in (past(), past(elsewhere="another machine")):
        found = verdict("latency_ms_p50", Gate(max_increase="10%"), slow, known, {})
        assert found.verdict == "missed"
        assert found.change.ratio[0] == pytest.approx(1.25)
        assert found.change.how == "timed side by side"


@pytest.mark.parametrize("name", ["latency_ms_p50", "latency_ms_p99", "speedup"])
def test_times_of_another_machine_are_not_comparable(name):
    known = past(elsewhere="measured on another machine (processor: Z80)", why_absent="gone")
    found = verdict(name, Gate(max_increase="1%", max_decrease="1%"), latency(9.0), known)
    assert found.verdict == "not comparable"
    assert "another machine (processor: Z80)" in found.change.how


def test_another_network_is_not_comparable_by_fp32():
    """Its FP32 is another one too: the ratio to it hides that both became slower."""
    other = {**NETWORK, "parameters": 11}
    figure = latency(9.0, speedup=ratio(2.0))
    found = verdict("latency_ms_p50", Gate(max_increase="10%"), figure, past(), other)
    assert found.verdict == "not comparable"
    assert "another one by its operations" in found.change.how


def test_times_with_other_settings_are_not_comparable():
    known = past(settings={AT: {"threads": 1, "batch": 1}})
    figure = latency(1.0, speedup=ratio(2.0), settings={"threads": 2, "batch": 1})
    for name in ("latency_ms_p50", "speedup"):
        found = verdict(name, Gate(max_increase="10%", max_decrease="10%"), figure, known)
        assert found.verdict == "not comparable"
        assert "other settings (threads: 1, now 2)" in found.change.how
    same = latency(1.0, speedup=ratio(2.0), settings={"threads": 1, "batch": 1, "new": 3})
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), same, known).verdict == "held"


def test_a_tail_has_a_ratio_of_its_own():
    tail = {"percentiles": {"p99": ratio(0.9)}}
    figure = latency(3.0, speedup=ratio(2.0, **tail))
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), figure).verdict == "held"
    assert verdict("latency_ms_p99", Gate(max_increase="10%"), figure).verdict == "missed"
    brief = latency(3.0, speedup=ratio(2.0))
    assert verdict("latency_ms_p99", Gate(max_increase="10%"), brief).verdict == "not comparable"


def test_a_measurement_out_of_the_store_is_as_it_was():
    """However wide its interval: it is the one that the baseline was taken from."""
    figure = latency(1.0, speedup=ratio(2.0, 0.5))
    figures = {"speedup": [timed(2.0, 0.5)], "latency_ms_p50": [timed(1.0)],
               "latency_ms_mean": [timed(1.0)]}  # fmt: skip
    known = Past(figures, NETWORK, same=True)
    assert verdict("latency_ms_p50", Gate(max_increase="1%"), figure, known).verdict == "held"
    again = latency(1.01, speedup=ratio(2.0, 0.5))
    assert verdict("latency_ms_p50", Gate(max_increase="1%"), again, known).verdict == "too noisy"


def test_a_model_that_is_faster_is_told_of():
    figure = latency(0.5, speedup_vs_baseline=ratio(1.5))
    assert faster(figure, past(), NETWORK).ratio[0] == 1.5
    assert verdict("latency_ms_p50", Gate(max_increase="10%"), figure).better


def test_noise_where_there_was_none_is_more_than_any_bound():
    known = Past({"sqnr_db": [Figure(float("inf"))]}, NETWORK)
    assert verdict("sqnr_db", Gate(max_decrease=10), Figure(60.0), known).verdict == "missed"
    none = Figure(float("inf"))
    assert verdict("sqnr_db", Gate(max_decrease=10), none, known).verdict == "held"
