"""ONNX Runtime: its execution providers, and what each can run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from optkit.core.errors import root_cause

_PRECISIONS = ("fp32", "bf16", "fp16", "int8")
_SUFFIX = "ExecutionProvider"
_KINDS = {"fp32": "float", "fp16": "float16", "bf16": "bfloat16"}

_PLAIN = """
product (KIND[8, 64] x) => (KIND[8, 64] y) <int64[2] shape = {64, 64}> {
    w = ConstantOfShape<value = KIND[1] {1}>(shape)
    y = MatMul(x, w)
}"""
_QUANTIZED = """
product (float[8, 64] x) => (float[8, 64] y)
    <int64[2] shape = {64, 64}, float step = {0.5}, float wide = {1.0},
     uint8 middle = {128}, int8 zero = {0}> {
    w = ConstantOfShape<value = int8[1] {1}>(shape)
    weights = DequantizeLinear(w, step, zero)
    x8 = QuantizeLinear(x, step, middle)
    steps = DequantizeLinear(x8, step, middle)
    sums = MatMul(steps, weights)
    y8 = QuantizeLinear(sums, wide, middle)
    y = DequantizeLinear(y8, wide, middle)
}"""


def describe() -> list[dict[str, Any]]:
    """Every provider of this build, by what it can really run, and the CUDA one where missing."""
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    rows = [_provider(name) for name in sorted(providers, key=lambda name: name[:3] != "CPU")]
    if f"CUDA{_SUFFIX}" not in providers:
        cause = "this build of ONNX Runtime has no CUDA: pip install onnxruntime-gpu"
        rows.append({"device": "CUDA", "kind": "missing", "note": cause})
    return rows


def _provider(provider: str) -> dict[str, Any]:
    """What a provider runs by itself, found by having it run a small network in each precision."""
    runs, cause = [], ""
    for precision in _PRECISIONS:
        try:
            if _computes(provider, precision):
                runs.append(precision)
        except Exception as error:  # a provider may raise anything; that is the finding
            told = root_cause(error)
            cause = cause or ("" if "fallback to CPU EP" in told else f": {told}")
    return {
        "device": provider.removesuffix(_SUFFIX).upper(),
        "kind": "physical" if runs else "missing",
        "name": provider,
        "precisions": runs,
        "note": "" if runs else f"runs no part of a network here{cause}",
    }


def _computes(provider: str, precision: str) -> bool:
    """Whether it computes a matrix product in this precision, not in another by way of casts."""
    import numpy as np
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    on_cpu = provider == f"CPU{_SUFFIX}"
    if not on_cpu:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        if on_cpu:  # what is compiled into one node elsewhere cannot be written
            options.optimized_model_filepath = str(path)
        session = onnxruntime.InferenceSession(
            _product(precision).SerializeToString(), options, providers=[provider]
        )
        used = [node.op_type for node in onnx.load(path).graph.node] if on_cpu else []
    if precision != "bf16":  # which numpy has no word for
        dtype = np.float16 if precision == "fp16" else np.float32
        session.run(None, {"x": np.ones((8, 64), dtype)})
    other = "MatMul" if precision == "int8" else "Cast"
    return session.get_providers()[0] == provider and other not in used


def _product(precision: str) -> Any:
    """A network that multiplies x (8, 64) by a constant (64, 64)."""
    import onnx

    head = '<ir_version: 8, opset_import: ["": 17]>'
    body = _QUANTIZED if precision == "int8" else _PLAIN.replace("KIND", _KINDS[precision])
    return onnx.parser.parse_model(head + body)
