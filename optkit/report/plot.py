"""Points, lines and areas on two axes: the geometry of a picture; `plot.svg.j2` draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

WIDTH, BOTTOM, TOP, RIGHT = 640, 44, 10, 20
COLOURS = 5
_TICKS = 6
_LINE = 14


@dataclass(frozen=True)
class Mark:
    """A point with its name beside it."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True)
class Series:
    """What belongs together and has one colour.

    Attributes:
        name: told by a legend, unless empty.
        line: a path through these points.
        area: whether what lies between the line and its first point's height is filled.
        dashed: whether the line is broken, as a bound is.
        marks: single points.
    """

    name: str = ""
    line: Sequence[Point] = ()
    area: bool = False
    dashed: bool = False
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: the quantity with its unit.
        log: whether it is logarithmic; then every value is positive.
        names: values with words in place of figures.
        span: what it covers at least, so that differences that mean nothing look like it.
    """

    label: str = ""
    log: bool = False
    names: Sequence[tuple[float, str]] = ()
    span: float = 0.0


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        title: stands above.
        told: says in words what is to be seen.
        x: the axis to the right.
        y: the axis upwards.
        series: what is drawn.
        height: in pixels, at a width of 640.
    """

    title: str
    told: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    height: int = 260


def layout(figure: Figure) -> dict[str, Any]:
    """What the template draws: ticks, paths and marks, in pixels.

    A series has one of five colours, which are the page's. A mark's label stands to its left where
    it would leave the picture.
    """
    points = [point for series in figure.series for point in _points(series)]
    top = TOP + (24 if figure.y.label else 0)
    y_of, y_ticks = _scale(figure.y, [y for _, y in points], figure.height - BOTTOM, top)
    left = 12 + 7 * max((len(text) for _, text in y_ticks), default=0)
    x_of, x_ticks = _scale(figure.x, [x for x, _ in points], left, WIDTH - RIGHT)
    taken: list[tuple[float, float, float]] = []
    return {
        "figure": figure,
        "width": WIDTH,
        "left": left,
        "right": WIDTH - RIGHT,
        "top": top,
        "bottom": figure.height - BOTTOM,
        "x_ticks": x_ticks,
        "y_ticks": y_ticks,
        "series": [
            {
                "colour": at % COLOURS,
                "name": series.name,
                "path": _path(series, x_of, y_of),
                "area": series.area,
                "dashed": series.dashed,
                "marks": [
                    _placed(mark, x_of(mark.x), y_of(mark.y), taken) for mark in series.marks
                ],
            }
            for at, series in enumerate(figure.series)
        ],
    }


def _placed(
    mark: Mark, x: float, y: float, taken: list[tuple[float, float, float]]
) -> dict[str, Any]:
    """A mark in pixels, its label above it, or as far below as others leave room."""
    wide = 8 + 7 * len(mark.label)
    before = x + wide > WIDTH
    start = x - wide if before else x
    height = y - 6
    while mark.label and any(
        start < end and begin < start + wide and abs(height - other) < _LINE
        for begin, end, other in taken
    ):
        height += _LINE
    taken.append((start, start + wide, height))
    return {
        "x": round(x, 1),
        "y": round(y, 1),
        "label": mark.label,
        "before": before,
        "label_y": round(height, 1),
    }


def _points(series: Series) -> Iterable[Point]:
    return (*series.line, *((mark.x, mark.y) for mark in series.marks))


def _path(series: Series, x_of: Callable[[float], float], y_of: Callable[[float], float]) -> str:
    steps = [f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in series.line]
    return "M" + "L".join(steps) + ("Z" if series.area else "") if steps else ""


def _scale(
    axis: Axis, values: Sequence[float], start: float, end: float
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """From values to pixels, and the ticks in pixels."""
    bend = math.log10 if axis.log else float
    low, high = min(map(bend, values)), max(map(bend, values))
    missing = max(axis.span - (high - low), 0.0)
    margin = missing / 2 + 0.06 * (high - low)
    margin = margin or (0.1 if axis.log else abs(high) / 10 or 1.0)
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return start + (bend(value) - low) / (high - low) * (end - start)

    if axis.names:
        ticks = list(axis.names)
    elif axis.log:
        ticks = [(at, f"{at:g}") for at in _decades(low, high)]
    else:
        ticks = [(at, f"{at:g}") for at in _rounds(low, high)]
    return place, [(round(place(at), 1), text) for at, text in ticks]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents; their doubles and halves too where there are few."""
    for within in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [
            float(f"{digit}e{power}")
            for power in range(math.floor(low), math.ceil(high) + 1)
            for digit in within
            if low <= math.log10(float(f"{digit}e{power}")) <= high
        ]
        if len(found) >= _TICKS // 2:
            return found
    return [float(f"{10**at:.3g}") for at in (low + (high - low) * part / 4 for part in (1, 2, 3))]


def _rounds(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
    return [
        float(f"{at * step:.12g}")
        for at in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]
