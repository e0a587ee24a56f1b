"""Shared by the claims about timing: networks of known work, models side by side."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np

from optkit.benchmark.run import measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.core.artifact import Artifact
from optkit.core.settings import Settings
from optkit.core.signature import Dim

SECONDS = float(os.environ.get("OPTKIT_BENCH_SECONDS", "5"))
"""Spent on each model; a shorter time only shows that a claim's code runs."""


BURSTS = """
import os, random, sys, time
draw, parent = random.Random(sys.argv[1]), int(sys.argv[2])
while os.getppid() == parent:
    until = time.monotonic() + draw.uniform(0.05, 1)
    while time.monotonic() < until:
        pass
    time.sleep(draw.uniform(0.05, 1))
"""


@contextlib.contextmanager
def busy_in_bursts(seed: int = 0) -> Iterator[None]:
    """As many processes as cores, each busy half of the time; they end with this one at the latest.

    Args:
        seed: of when they are busy.
    """
    others = [
        subprocess.Popen([sys.executable, "-c", BURSTS, f"{seed} {core}", str(os.getpid())])
        for core in range(len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


def stack(layers: int, path: Path, rows: int = 64, width: int = 256) -> Artifact:
    """An IR whose work is proportional to `layers`: (rows, width) through as many products."""
    import openvino
    from openvino import opset13

    draw = np.random.default_rng(0)
    node = given = opset13.parameter([rows, width], np.float32, name="x")
    for _ in range(layers):
        weight = draw.standard_normal((width, width), "float32") / width**0.5
        node = opset13.relu(opset13.matmul(node, opset13.constant(weight), False, False))
    model = openvino.Model([opset13.result(node)], [given], "stack")
    model.inputs[0].set_names({"x"})
    model.outputs[0].set_names({"y"})
    openvino.save_model(model, path, compress_to_fp16=False)
    return models.artifact("ir", path)


def onnx_stack(layers: int, path: Path, rows: int = 64, width: int = 256) -> Path:
    """The same as ONNX."""
    import onnx
    from onnx import helper, numpy_helper

    draw = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for at in range(layers):
        weight = draw.standard_normal((width, width), "float32") / width**0.5
        weights.append(numpy_helper.from_array(weight, f"w{at}"))
        made = "y" if at == layers - 1 else f"r{at}"
        nodes.append(helper.make_node("MatMul", [value, f"w{at}"], [f"p{at}"]))
        nodes.append(helper.make_node("Relu", [f"p{at}"], [made]))
        value = made
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [rows, width])
        for name in ("x", "y")
    )
    graph = helper.make_graph(nodes, "stack", [x], [y], weights)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def contender(
    name: str, artifact: Artifact, settings: Settings, folder: Path, runtime: str = "openvino"
) -> Contender:
    """A model of float inputs, fed with random values."""
    draw = np.random.default_rng(0)
    arrays = {
        spec.name: draw.standard_normal(_sizes(spec.shape), "float32")
        for spec in artifact.signature.inputs
    }
    return Contender(name, artifact, runtime, settings, write_inputs(folder / "x.npz", arrays))


def measured(
    chosen: dict[str, Artifact], folder: Path, *, threads: int | None = 1, **rest: Any
) -> list[dict[str, Any]]:
    """The rows of models side by side in OpenVINO."""
    settings = Settings(threads=threads)
    contenders = [contender(name, given, settings, folder) for name, given in chosen.items()]
    return measure(Plan(tuple(contenders), **{"seconds": SECONDS, **rest}))


def _sizes(shape: tuple[Dim, ...] | None) -> list[int]:
    assert shape is not None
    assert all(isinstance(size, int) for size in shape)
    return [size for size in shape if isinstance(size, int)]
