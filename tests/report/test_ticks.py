"""Ticks stand at round figures within the axis."""

import pytest

from optkit.report.ticks import decades, rounds


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]), (0.1, 0.13, [0.1, 0.11, 0.12, 0.13]), (-3, 3, [-2, 0, 2]),
        (1e6, 3e6, [1e6, 1.5e6, 2e6, 2.5e6, 3e6]),
    ],
)  # fmt: skip
def test_rounds(low, high, found):
    assert rounds(low, high) == pytest.approx(found)


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (-1, 2, [0.1, 1, 10, 100]), (0, 1, [1, 3, 10]), (0.1, 0.8, [2, 4, 6]),
        (0, 0.08, [1, 1.05, 1.1, 1.15, 1.2]),
    ],
)  # fmt: skip
def test_decades_between_exponents(low, high, found):
    assert decades(low, high) == pytest.approx(found)
