"""Numbers as people read them."""

import io

import pytest
from rich.console import Console as Rich

from optkit.console.tables import number, spark, speedup, table


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (0.01391, "0.0139"), (4.876, "4.88"), (99.96, "100"), (2778, "2778"),
     (60940, "60.9k"), (1234567, "1.23M"), (2.5e9, "2.5G")],
)  # fmt: skip
def test_three_digits_that_count(value, told):
    assert number(value) == told


def test_a_bar_for_each_share():
    assert spark([0, 1, 4, 8]) == " ▁▄█"
    assert spark([0, 1, 10_000]) == " ▁█"  # little is not nothing
    assert spark([0, 0]) == "  "
    assert spark([]) == ""


@pytest.mark.parametrize(
    ("value", "ends", "told"),
    [(4.876, (4.17, 5.234), "4.88x 4.17-5.23"), (21.38, (9.994, 101.2), "21.4x 9.99-101")],
)
def test_a_ratio_with_its_interval(value, ends, told):
    assert speedup({"value": value, "ci95": ends}) == told


def drawn(width, *cells, figures=("ms", "speedup"), whole=("model",)):
    stream = io.StringIO()
    table(
        Rich(file=stream, width=width), ("model", "ms", "speedup", ""), [cells],
        figures=figures, whole=whole,
    )  # fmt: skip
    _, _, below = stream.getvalue().rpartition("─")
    return [line.rstrip() for line in below.splitlines() if line.strip()]


CELLS = ("model.onnx", "0.0539", "1.23x 1.11-1.35", "no difference")


@pytest.mark.parametrize(
    ("width", "rows"),
    [
        (54, [" model.onnx  0.0539  1.23x 1.11-1.35  no difference"]),
        (51, [" model.onnx  0.0539  1.23x 1.11-1.35  no",
              "                                      difference"]),
        (46, [" model.onnx 0.0539 1.23x 1.11-1.35 no",
              "                                   difference"]),
    ],
)  # fmt: skip
def test_words_wrap_then_gaps_close_and_figures_stay_whole(width, rows):
    assert drawn(width, *CELLS) == rows


def test_where_there_is_no_room_at_all_nothing_is_cut_off():
    text = "".join("".join(line.split()) for line in drawn(24, *CELLS))
    assert sorted(text) == sorted("".join("".join(CELLS).split()))
