"""Percentiles, and intervals that hold the truth about as often as they say."""

import numpy as np
import pytest

from optkit.core import stats
from optkit.core.stats import drift, histogram, mean_ci95, paired_ratio, percentile, verdict


def rounds(rng, scale, count=40, each=5):
    """Latencies with a floor, a tail, and load that each round shares."""
    load = 1 + rng.exponential(0.2, (count, 1))
    return (scale * (load + rng.exponential(0.05, (count, each)))).tolist()


def test_percentile_interpolates():
    assert percentile([1, 2, 3, 4], 50) == 2.5


def test_ratio_of_unequal_models():
    rng = np.random.default_rng(0)
    value, low, high = paired_ratio(rounds(rng, 3.0), rounds(rng, 1.0))
    assert low < value < high
    assert value == pytest.approx(3, rel=0.1)


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(40):
        _, low, high = paired_ratio(rounds(rng, 2.0), rounds(rng, 1.0), seed=seed)
        hits += low <= 2.0 <= high
    assert hits >= 34


def test_a_seed_repeats_and_the_ends_are_swapped_by_swapping():
    rng = np.random.default_rng(2)
    a, b = rounds(rng, 1.0), rounds(rng, 1.5)
    assert paired_ratio(a, b) == paired_ratio(a, b)
    value, low, high = paired_ratio(a, b)
    assert paired_ratio(b, a) == pytest.approx((1 / value, 1 / high, 1 / low), rel=0.02)


def test_mean_interval_widens_with_correlation_inside_rounds():
    rng = np.random.default_rng(3)
    shared = rounds(rng, 1.0)
    flat = [sample for samples in shared for sample in samples]
    shuffled = rng.permutation(flat).reshape(40, 5).tolist()
    low, high = mean_ci95(shared)
    low_shuffled, high_shuffled = mean_ci95(shuffled)
    assert low < np.mean(flat) < high
    assert high - low > 1.2 * (high_shuffled - low_shuffled)


def drifting(rng, truth, count=120, each=6, drift=0.01, keeps=0.8):
    """Two models' rounds whose undisturbed times wander, each by itself, slower than a round."""
    pair = []
    for scale in (truth, 1.0):
        wander = np.zeros((count, 1))
        for at in range(1, count):
            wander[at] = keeps * wander[at - 1] + drift * rng.standard_normal()
        pair.append((scale * (1 + wander + rng.exponential(0.02, (count, each)))).tolist())
    return pair


def single_rounds(rounds, seed):
    return np.random.default_rng(seed).integers(0, rounds, (1000, rounds))


def test_runs_of_rounds_cover_the_truth_where_load_drifts_and_single_rounds_do_not(monkeypatch):
    def hits():
        rng = np.random.default_rng(4)
        found = [paired_ratio(*drifting(rng, 2.0)) for _ in range(60)]
        return sum(low <= 2.0 <= high for _, low, high in found)

    assert hits() >= 57
    monkeypatch.setattr("optkit.core.stats.PLACED", 0.0)
    in_runs = hits()
    monkeypatch.setattr("optkit.core.stats.picks_of", single_rounds)
    assert in_runs > hits() + 5


def test_few_rounds_are_trusted_less():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(100):
        _, low, high = paired_ratio(rounds(rng, 2.0, 4), rounds(rng, 1.0, 4))
        hits += low <= 2.0 <= high
    assert hits >= 85


def test_rounds_of_one_sitting_do_not_show_where_memory_lies():
    value, low, high = paired_ratio([[2.0]] * 50, [[1.0]] * 50)
    assert value == pytest.approx(2)
    assert low < 0.97 * 2
    assert high > 1.03 * 2


def sat(rng, truth, sittings=10, each=12, placed=0.017):
    """Rounds of two models that are loaded anew for each sitting, and lie elsewhere then."""
    pairs = [
        drifting(rng, truth * np.exp(rng.normal(0, placed)), each, drift=0.005)
        for _ in range(sittings)
    ]
    a, b = ([part for pair in pairs for part in pair[at]] for at in (0, 1))
    return a, b, [each] * sittings


def test_sittings_cover_what_rounds_do_not():
    rng = np.random.default_rng(7)
    found = [sat(rng, 2.0) for _ in range(100)]
    covered = [low <= 2 <= high for _, low, high in (paired_ratio(*one) for one in found)]
    assert sum(covered) >= 89


def moved(rng, count=10, alike=0.7, spread=0.02):
    """What a ratio's logarithm is in sittings of a machine that changes slowly."""
    values = [rng.normal(0, spread)]
    for _ in range(count - 1):
        values.append(alike * values[-1] + rng.normal(0, spread * (1 - alike**2) ** 0.5))
    return np.array(values)


def test_a_drifting_machine_widens_the_interval(monkeypatch):
    rng = np.random.default_rng(10)

    def holds():
        by_sitting = np.exp(np.repeat(moved(rng), 4)[:, None] + rng.normal(0, 0.003, (40, 3)))
        _, low, high = paired_ratio((2 * by_sitting).tolist(), [[1.0] * 3] * 40, [4] * 10)
        return low <= 2 <= high

    aware = sum(holds() for _ in range(200))
    monkeypatch.setattr(stats, "MOST_ALIKE", 0.0)
    unaware = sum(holds() for _ in range(200))
    assert aware >= 145
    assert aware >= unaware + 20


def test_drift_is_told_from_chance():
    rng = np.random.default_rng(11)
    assert np.mean([drift(rng.normal(0, 1, 10)) for _ in range(500)]) < 1.25
    assert np.mean([drift(moved(rng)) for _ in range(500)]) > 1.5
    assert drift(np.arange(50.0)) == pytest.approx(3)
    assert drift(np.ones(10)) == 1


def test_a_disturbed_round_and_a_disturbed_sample_move_nothing():
    rng = np.random.default_rng(8)
    a, b, sittings = sat(rng, 2.0)
    quiet = paired_ratio(a, b, sittings)
    a[3] = [100 * time for time in a[3]]
    b[20][0] *= 100
    assert paired_ratio(a, b, sittings) == pytest.approx(quiet, rel=0.01)


def shared(rng, truth, slow, sittings=10, each=20):
    """Rounds of two models on a machine whose neighbour slows the first one down more."""
    a, b, lengths = sat(rng, truth, sittings, each, placed=0.003)
    for at in range(0, len(a), 5):  # a neighbour stays for a while
        if rng.random() < slow:
            for near in range(at, at + 5):
                a[near] = [1.6 * time for time in a[near]]
                b[near] = [1.3 * time for time in b[near]]
    return a, b, lengths


@pytest.mark.parametrize("lengths", [[20] * 10, []], ids=["sittings", "one sitting"])
def test_a_ratio_does_not_hang_on_how_long_a_neighbour_was_busy(lengths):
    rng = np.random.default_rng(12)
    for slow in (0.0, 0.3, 0.6):
        for _ in range(5):
            a, b, _ = shared(rng, 2.0, slow)
            value, low, high = paired_ratio(a, b, lengths)
            assert value == pytest.approx(2, rel=0.02)
            assert low <= 2 <= high


def test_calm_rounds_are_no_lucky_ones_of_one_model():
    rng = np.random.default_rng(13)
    values = [paired_ratio(*sat(rng, 1.0))[0] for _ in range(100)]
    assert np.mean(np.log(values)) == pytest.approx(0, abs=0.003)


def test_rounds_that_waited_for_a_core_do_not_count():
    rng = np.random.default_rng(14)
    a, b, lengths = sat(rng, 2.0, placed=0.003)
    quiet = paired_ratio(a, b, lengths)[0]
    waited = np.where(np.arange(len(a)) % 3, 0.5, 0.0)
    held_up = [[0.94 * t for t in one] if w else one for one, w in zip(a, waited, strict=True)]
    none = np.zeros(len(a))
    for sides in ((waited, none), (none, waited), (waited, [])):
        assert paired_ratio(held_up, b, lengths, sides)[0] == pytest.approx(quiet, rel=0.01)
        assert paired_ratio(held_up, b, [], sides)[0] == pytest.approx(quiet, rel=0.01)
    assert paired_ratio(held_up, b, lengths)[0] < 0.97 * quiet


def test_where_all_rounds_waited_all_of_them_count():
    rng = np.random.default_rng(15)
    a, b, lengths = sat(rng, 2.0)
    everywhere = np.ones(len(a))
    assert paired_ratio(a, b, lengths, (everywhere, [])) == paired_ratio(a, b, lengths)


def test_few_rounds_are_all_used():
    even = [[1.0], [2.0], [4.0]]
    assert paired_ratio(even, [[1.0]] * 3)[0] == pytest.approx(2)


def test_a_sitting_without_rounds_does_not_count():
    rng = np.random.default_rng(9)
    a, b, sittings = sat(rng, 2.0)
    assert paired_ratio(a, b, [*sittings, 0]) == paired_ratio(a, b, sittings)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (1.03, 1.07, "faster"),
        (0.92, 0.97, "slower"),
        (0.98, 1.03, "no difference"),
        (1.009, 1.04, "no difference"),  # perhaps not equal, but as good
        (1.009, 1.07, "too noisy"),
        (0.90, 0.995, "too noisy"),
        (0.5, 2.0, "too noisy"),
    ],
)
def test_a_verdict_is_read_off_the_interval(low, high, told):
    assert verdict(low, high, 50) == told


def test_two_rounds_tell_nothing():
    assert verdict(3.9, 4.1, 2) == "too noisy"
    assert verdict(3.9, 4.1, 3) == "faster"


def test_verdicts_on_made_up_pairs_are_right():
    rng = np.random.default_rng(6)

    def told(truth):
        a, b, sittings = sat(rng, truth)
        _, low, high = paired_ratio(a, b, sittings)
        return verdict(low, high, len(a))

    alike = [told(1.0) for _ in range(40)]
    assert [told(1.05) for _ in range(20)].count("faster") >= 18
    assert [told(1 / 1.05) for _ in range(20)].count("slower") >= 18
    assert alike.count("faster") + alike.count("slower") <= 2
    assert alike.count("no difference") >= 30


def test_a_histogram_has_bins_of_equal_ratios():
    found = histogram([1.0, 1.0, 10.0, 100.0], bins=4)
    assert (found["low_ms"], found["high_ms"]) == pytest.approx((1, 100))
    assert found["counts"] == [2, 0, 1, 1]


def test_a_histogram_of_one_value_has_one_bin_around_it():
    found = histogram([3.0] * 5)
    assert found["counts"] == [5]
    assert found["low_ms"] < 3 < found["high_ms"]
