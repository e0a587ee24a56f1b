"""Figures as a report writes them."""

import math

import pytest

from optkit.report import words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "not measured"), (3, "3"), ("as it is", "as it is"), (0.0, "0"), (1.0, "1"),
        (0.12345678, "0.1235"), (0.9999753, "0.999975"), (0.99999999, "0.999999"),
        (27684.4, "27684"), (6e-8, "6e-08"), (3e12, "3e+12"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_figures(value, told):
    assert words.figure(value) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_345_678, "2.35 MB"), (7e9, "7.00 GB")],
)
def test_sizes(count, told):
    assert words.size(count) == told


def test_durations_and_ratios():
    assert [words.seconds(one) for one in (0.5, 45.0, 600.0)] == ["0.50 s", "45.0 s", "10.0 min"]
    assert [words.times(one) for one in (1.5, 15.0, 150.0)] == ["1.50×", "15.0×", "150×"]
    assert words.interval((1.0, 20.0)) == "1.00× to 20.0×"
    assert words.milliseconds(0.12345) == "0.123 ms"
    assert words.counts({"int8": 3, "fp32": 1}) == "3 int8, 1 fp32"


def test_what_no_document_can_hold():
    assert words.writable("a\x00\x1b\ufffe\ud800b\n") == "a\ufffd\ufffd\ufffd\ufffdb\n"
