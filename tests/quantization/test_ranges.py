"""Ranges: what statistics are kept, what estimators make of them, how levels lie."""

import numpy as np
import pytest

from optkit.quantization.ranges import (
    ESTIMATORS,
    LEVELS,
    Statistics,
    fitted,
    watch_ends,
    watch_mean,
    watch_values,
)


def seen(values, **options):
    into = Statistics()
    for value in values:
        watch_ends(into, value, value, channels=options.get("channels", False))
        watch_values(into, value, len(values))
        if "mean" in options:
            watch_mean(into, value, options["mean"])
        into.count += 1
    return into


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("ends", [(-1.0, 3.0), (0.0, 6.0), (-5.0, 0.5), (2.0, 4.0), (-3.0, -1.0)])
def test_zero_and_both_ends_are_within_the_levels(ends, symmetric):
    range_ = fitted(np.float32(ends[0]), np.float32(ends[1]), symmetric=symmetric)
    step = (float(range_.high) - float(range_.low)) / (LEVELS - 1)
    zero = -float(range_.low) / step
    assert zero == pytest.approx(round(zero), abs=1e-3)
    assert range_.low <= ends[0] + 1e-6 or ends[0] > 0
    assert range_.high >= ends[1] - 1e-6 or ends[1] < 0


def test_a_range_of_one_sign_is_unsigned():
    assert fitted(np.float32(0), np.float32(6), symmetric=True).low == 0


def test_a_symmetric_range_is_as_wide_as_the_wider_side():
    range_ = fitted(np.float32(-1), np.float32(2), symmetric=True)
    assert float(range_.low) == pytest.approx(-2 * 128 / 127)
    assert float(range_.high) == pytest.approx(2)


def test_a_constant_zero_still_has_a_range():
    range_ = fitted(np.float32(0), np.float32(0), symmetric=True)
    assert range_.high > range_.low


def test_estimators_clip_more_or_less():
    draw = np.random.default_rng(0)
    values = [draw.standard_normal((1, 3, 64, 64), "float32") for _ in range(8)]
    values[3][0, 0, 0, 0] = 40.0
    highs = {word: float(how(seen(values))[1]) for word, how in ESTIMATORS.items()}
    assert highs["minmax"] == 40
    assert highs["percentile"] < 6
    assert highs["percentile"] < highs["mean_minmax"] < highs["minmax"]
    assert highs["least_error"] <= highs["minmax"]


def test_each_channel_has_its_own_extremes():
    value = np.arange(6, dtype="float32").reshape(1, 2, 3)
    into = seen([value, value * 2], channels=True)
    assert into.low.tolist() == [0, 3]
    assert into.high.tolist() == [4, 10]


def test_means_of_channels_over_samples():
    value = np.arange(6, dtype="float32").reshape(1, 2, 3)
    assert seen([value, value + 2], mean=1).mean.tolist() == [2, 5]


def test_what_is_kept_is_bounded_whatever_the_number_of_samples():
    value = np.zeros((1, 8, 64, 64), "float32")
    for count in (4, 64):
        into = seen([value] * count)
        assert sum(item.size for item in into.drawn) <= 1 << 15
