"""Claims about quantize_int8 on ONNX, against `onnxruntime.quantization.quantize_static`."""

from __future__ import annotations

import statistics

import digits_nets
import models
import pytest
from peers import onnxruntime_qdq
from quantizing import applied, digits_samples, outputs, source, sqnr

pytestmark = pytest.mark.bench

SUITE = [(name, seed) for name in digits_nets.NETS for seed in (0, 1)]


def test_closer_than_onnxruntimes_own(table, tmp_path) -> None:
    """On every network at least what ONNX Runtime's own tool reaches with the same samples."""
    rows, gains = [], []
    for name, seed in SUITE:
        origin = source(name, tmp_path, seed)
        plain, _ = applied("export_onnx", origin, tmp_path)
        want, samples = outputs(plain), digits_samples()
        path = tmp_path / f"{name}-{seed}.onnx"
        peer = models.artifact("onnx", onnxruntime_qdq(plain.path, list(samples), path))
        theirs = outputs(peer)
        ours, outcome = applied("quantize_int8", plain, tmp_path, samples, origin=origin)
        found = outputs(ours)
        scores = sqnr(want, theirs), sqnr(want, found)
        gains.append(scores[1] - scores[0])
        rows.append((name, seed, scores))
        right = " / ".join(f"{digits_nets.accuracy(one):.4f}" for one in (want, theirs, found))
        table(
            f"{name} {seed}, ONNX: SQNR on {len(want)} test images (dB)",
            [("ONNX Runtime, quantize_static", scores[0]), ("optkit balanced", scores[1]),
             ("chosen", outcome.details["chosen"]),
             ("accuracy, FP32 / ONNX Runtime / optkit", right)],
        )  # fmt: skip
    table("SQNR above ONNX Runtime's own (dB)", [("mean", statistics.mean(gains))])
    for name, seed, (theirs_db, ours_db) in rows:
        assert ours_db >= theirs_db, (name, seed)
