"""The backend tests that ship inside the `onnx` package, as networks with what they must give."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.runner import Runner

Feeds = Mapping[str, Any]

MOST_PARAMETERS = 30_000_000
"""Of a light model that is given weights; its folded twins are written several times."""

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")

_PLAIN = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64,
          TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A network with inputs.

    Attributes:
        kind: the folder of the `onnx` package that it comes from; `held` for a node whose inputs
            but the first became constants; `shifted`, `scaled`, `biased`, `doubled`, `strided` for
            one of those with other nodes beside it; `filled` for a light model with random weights.
        data: inputs by name and the outputs that the package says they give; None for outputs that
            it does not tell, where the untouched network's own count.
    """

    kind: str
    name: str
    model: onnx.ModelProto
    data: tuple[tuple[Feeds, list[Any] | None], ...]
    rtol: float
    atol: float

    @property
    def label(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def tensors_alone(self) -> bool:
        """Whether all inputs and outputs are tensors of numbers."""
        ports = [port.type for port in (*self.model.graph.input, *self.model.graph.output)]
        return all(
            port.WhichOneof("value") == "tensor_type"
            and port.tensor_type.elem_type != TensorProto.STRING
            for port in ports
        )


def cases() -> Iterator[Case]:
    """Every case of the package that needs no download, in the same order each time."""
    with np.errstate(all="ignore"):
        found = loader.load_model_tests(kind="node")
    for test in sorted(found, key=lambda test: test.name):
        case = _node(test)
        yield case
        for held in _held(case):
            yield held
            yield from _beside(held)
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for test in sorted(loader.load_model_tests(kind=kind), key=lambda test: test.name):
            yield _stored(kind, test)
    for file in sorted((Path(loader.DATA_DIR) / "real").glob("*/data.json")):
        case = _light(json.loads(file.read_text()))
        yield case
        yield from _filled(case)


def _node(test: Any) -> Case:
    data = tuple(
        (_feeds(test.model.graph, inputs), [_plain(value) for value in outputs])
        for inputs, outputs in test.data_sets
    )
    return Case("node", test.name, test.model, data, test.rtol, test.atol)


def _stored(kind: str, test: Any) -> Case:
    folder = Path(test.model_dir)
    model = onnx.load(folder / "model.onnx")
    data = []
    for sets in sorted(folder.glob("test_data_set_*")):
        sides = [
            [_parsed(sets / f"{side}_{at}.pb", port) for at, port in enumerate(ports)]
            for side, ports in (("input", _fed(model.graph)), ("output", model.graph.output))
        ]
        data.append((_feeds(model.graph, sides[0]), sides[1]))
    return Case(kind, test.name, model, tuple(data), test.rtol, test.atol)


def _light(facts: Mapping[str, Any]) -> Case:
    path = Path(loader.DATA_DIR) / "light" / Path(facts["url"]).name
    model = onnx.load(path)
    port = _fed(model.graph)[0]
    array = Runner.generate_dummy_data(port, seed=0, name=path.stem, random=False)
    outputs = [
        _parsed(path.with_name(f"{path.stem}_output_{at}.pb"), port)
        for at, port in enumerate(model.graph.output)
    ]
    data = (({port.name: array}, outputs),)
    return Case("light", path.stem, model, data, facts["rtol"], facts["atol"])


def _held(case: Case) -> Iterator[Case]:
    """The node with every input but the first as a constant, as in a trained network."""
    inputs = case.model.graph.input
    (feeds, _), *more = case.data
    kinds = [port.type.tensor_type.elem_type for port in inputs]
    if len(inputs) < 2 or more or not all(kind in _PLAIN for kind in kinds):
        return
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = max(model.ir_version, 8)  # from 4 on, an initializer need not be an input
    del model.graph.input[1:]
    for port in inputs[1:]:
        model.graph.initializer.append(numpy_helper.from_array(feeds[port.name], port.name))
    first = inputs[0].name
    data = tuple(({first: feeds[first]}, outputs) for feeds, outputs in case.data)
    yield replace(case, kind="held", model=model, data=data)


def _beside(held: Case) -> Iterator[Case]:
    """A linear operation among what passes look for; its own data tell what must come out."""
    (node, *more), (feeds, outputs) = held.model.graph.node, held.data[0]
    (name, x), (want, *others) = *feeds.items(), outputs
    if node.op_type not in LINEAR or more or others or want.dtype != np.float32 or want.ndim < 2:
        return
    draw, result = np.random.default_rng(0), node.output[0]
    like = [want.shape[1] if node.op_type.startswith("Conv") else want.shape[-1]]
    like += [1] * (want.ndim - 2) * node.op_type.startswith("Conv")
    scale, shift = (draw.uniform(0.5, 1.5, like).astype(np.float32) for _ in range(2))

    def made(kind: str, nodes: list[Any], feeds: Feeds, want: np.ndarray, **held_: Any) -> Case:
        model = onnx.ModelProto()
        model.CopyFrom(held.model)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        tensors = [numpy_helper.from_array(array, key) for key, array in held_.items()]
        model.graph.initializer.extend(tensors)
        model.graph.output[0].CopyFrom(
            helper.make_tensor_value_info(result, TensorProto.FLOAT, want.shape)
        )
        return replace(held, kind=kind, model=model, data=((feeds, [want]),))

    def renamed(inputs: Mapping[int, str], output: str) -> onnx.NodeProto:
        twin = onnx.NodeProto()
        twin.CopyFrom(node)
        for place, other in inputs.items():
            twin.input[place] = other
        twin.output[0] = output
        return twin

    make = helper.make_node
    two, three = np.float32(2), np.float32(3)
    before = [make("Mul", [name, "two"], ["own_m"]), make("Add", ["own_m", "three"], ["own_a"])]
    yield made("shifted", [*before, renamed({0: "own_a"}, result)], {name: (x - three) / two}, want,
               two=two, three=three)  # fmt: skip
    after = [make("Mul", ["r", "s"], ["own_m"]), make("Add", ["own_m", "t"], [result])]
    yield made("scaled", [renamed({}, "r"), *after], feeds, want * scale + shift, s=scale, t=shift)
    yield made("biased", [renamed({}, "r"), make("Add", ["r", "t"], [result])], feeds,
               want + shift, t=shift)  # fmt: skip
    if not node.op_type.startswith("Conv"):
        return
    joined = make("Concat", ["r", "q"], [result], axis=1)
    yield made("doubled", [renamed({}, "r"), renamed({}, "q"), joined], feeds,
               np.concatenate([want, want], 1))  # fmt: skip
    rank = want.ndim - 2
    thin = draw.standard_normal((3, want.shape[1])).astype(np.float32)
    part = np.maximum(want, 0)[(..., *[slice(None, None, 2)] * rank)]
    weights = thin.reshape(*thin.shape, *[1] * rank)
    last = make("Conv", ["u", "w1"], [result], strides=[2] * rank)
    yield made("strided", [renamed({}, "r"), make("Relu", ["r"], ["u"]), last], feeds,
               np.einsum("oc,nc...->no...", thin, part), w1=weights)  # fmt: skip


def _filled(case: Case) -> Iterator[Case]:
    """The light model with random weights where it has one value in all places."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    shapes = {held.name: numpy_helper.to_array(held) for held in model.graph.initializer}
    fillers = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    sizes = {node.output[0]: [int(n) for n in shapes[node.input[0]]] for node in fillers}
    if sum(math.prod(size) for size in sizes.values()) > MOST_PARAMETERS:
        return
    draw = np.random.default_rng(0)
    for node in fillers:
        model.graph.node.remove(node)
        array = _weights(draw, sizes[node.output[0]])
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    shown = [port for port in model.graph.input if port.name not in shapes]
    del model.graph.input[:]
    model.graph.input.extend(shown)
    model.ir_version = 8
    port = shown[0]
    size = [dim.dim_value for dim in port.type.tensor_type.shape.dim]
    feeds = {port.name: draw.standard_normal(size).astype(np.float32)}
    yield replace(case, kind="filled", model=model, data=((feeds, None),))


def _weights(draw: np.random.Generator, size: Sequence[int]) -> np.ndarray:
    """Weights that keep the spread of what they are applied to; positive vectors."""
    if len(size) < 2:
        return draw.uniform(0.5, 1.5, size).astype(np.float32)
    spread = math.sqrt(2 / math.prod(size[1:]))
    return (draw.standard_normal(size) * spread).astype(np.float32)


def _fed(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    held = {tensor.name for tensor in graph.initializer}
    return [port for port in graph.input if port.name not in held]


def _feeds(graph: onnx.GraphProto, values: Sequence[Any]) -> Feeds:
    return {
        port.name: _plain(value) for port, value in zip(_fed(graph), values, strict=False)
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def _parsed(path: Path, port: onnx.ValueInfoProto) -> Any:
    if port.type.WhichOneof("value") == "sequence_type":
        sequence = onnx.SequenceProto.FromString(path.read_bytes())
        return numpy_helper.to_list(sequence)
    if port.type.WhichOneof("value") == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(path.read_bytes()))
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def error(have: Any, want: Any) -> float:
    """The largest difference, as a part of the largest value; infinite where they are unlike."""
    if isinstance(want, (list, tuple)):
        if not isinstance(have, (list, tuple)) or len(have) != len(want):
            return math.inf
        return max((error(a, b) for a, b in zip(have, want, strict=True)), default=0.0)
    if want is None or have is None:
        return 0.0 if want is have else math.inf
    a, b = np.asarray(have), np.asarray(want)
    if a.shape != b.shape:
        return math.inf
    if b.dtype.kind in "OSUT" or a.dtype.kind in "OSUT":
        return 0.0 if (a.astype(str) == b.astype(str)).all() else math.inf
    with np.errstate(all="ignore"):
        a, b = (array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
                for array in (a, b))  # fmt: skip
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return math.inf
        a, b = a[finite], b[finite]
        if not np.isfinite(a).all():
            return math.inf
        largest = float(np.abs(b).max(initial=0.0))
        return float(np.abs(a - b).max(initial=0.0)) / max(largest, 1e-30)


def as_published(have: Sequence[Any], want: Sequence[Any], case: Case) -> bool:
    """Whether outputs are right by the tolerance that the package itself grants."""
    if len(have) != len(want):
        return False
    return all(_close(a, b, case) for a, b in zip(have, want, strict=True))


def _close(have: Any, want: Any, case: Case) -> bool:
    if isinstance(want, (list, tuple)):
        return (
            isinstance(have, (list, tuple))
            and len(have) == len(want)
            and all(_close(a, b, case) for a, b in zip(have, want, strict=True))
        )
    found = error(have, want)
    if found == 0 or not math.isfinite(found):
        return found == 0
    a, b = (np.asarray(array).astype(np.float64) for array in (have, want))
    return np.allclose(a, b, case.rtol, case.atol, equal_nan=True)


def is_float(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(is_float, value))
    return value is not None and np.asarray(value).dtype.kind in "fV"


def tolerance(value: Any) -> float:
    """What rounding alone may change in an output, as a part of its largest value."""
    if isinstance(value, (list, tuple)):
        return max((tolerance(item) for item in value), default=0.0)
    array = np.asarray(value)
    if array.dtype.kind in "biuOSUT" or value is None:
        return 0.0
    return {2: 1e-2, 4: 1e-5}.get(array.dtype.itemsize, 1e-9) if array.dtype.kind == "f" else 1e-2


def operations(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}
