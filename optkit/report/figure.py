"""Points, lines and areas on two axes: what a picture shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """A point with its name beside it.

    Attributes:
        x: along the axis to the right.
        y: along the axis upwards.
        label: stands beside it, unless empty.
        told: what a pointer that rests on it is told; the label and the figures if empty.
    """

    x: float
    y: float
    label: str = ""
    told: str = ""


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
        rows: whether it has no figures: series lie one above the other, each on a whole number.
        span: what it covers at least, so that differences that mean nothing look like it.
    """

    label: str = ""
    log: bool = False
    rows: bool = False
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
        height: in pixels, at a width of 380.
    """

    title: str
    told: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    height: int = 260
