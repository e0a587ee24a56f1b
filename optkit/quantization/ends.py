"""Where the values of an operation end by what it is, whatever it is given."""

from __future__ import annotations

from math import inf

NOWHERE = (-inf, inf)

ENDS = {
    "Relu": (0.0, inf), "Abs": (0.0, inf), "Softmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0),
}  # fmt: skip
"""Least and largest value by the operation's type, which ONNX and OpenVINO call alike.

A range that goes beyond these wastes steps. Within them it does what a ReLU6 does, too: OpenVINO
leaves the operation out then, which is worth an eighth of MobileNetV2's time.
"""
