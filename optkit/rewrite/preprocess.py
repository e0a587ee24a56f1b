"""Put the preprocessing of an image in front of a network, and into its first Convs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optkit.core.contract import Edit
from optkit.core.preprocessing import Preprocessing
from optkit.rewrite.graph import constant
from optkit.rewrite.replacing import add_constant, namer

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


@dataclass(frozen=True)
class _Arithmetic:
    """Channels reversed, then times a factor each, then plus a shift each."""

    factors: np.ndarray
    shifts: np.ndarray
    reverse: bool

    @property
    def kinds(self) -> list[str]:
        """What there is to do."""
        marks = {
            "scale": (self.factors != 1).any(),
            "shift": self.shifts.any(),
            "channel order": self.reverse,
        }
        return [kind for kind, there in marks.items() if there]


def in_range(step: Preprocessing) -> bool:
    """Whether the network's floating-point type can hold what `fold` makes of the arithmetic."""
    import numpy as np

    limits = np.finfo(np.dtype(step.network))
    factors, shifts = np.abs(step.factor), np.abs(step.shift)
    if factors.min() < limits.tiny:
        return False
    return bool(max(factors.max(), shifts.max(), (shifts / factors).max()) <= limits.max)


def fold(model: ir.Model, step: Preprocessing) -> Edit:
    """Let an input take raw images x, of which factor · x + shift is what it took before.

    Conv(W, factor · x + shift) = Conv(W · factor, x + shift / factor), padded or not, and without
    padding Conv(W · factor, x) with Σ W · shift in the bias. What does not fit in a Conv stays in
    front of the network. Edits the model in place.
    """
    import numpy as np

    value = next(item for item in model.graph.inputs if item.name == step.input)
    uses = [(node, index) for node, index in value.uses()]
    asked = rest = _Arithmetic(
        np.array(step.factor, np.float64), np.array(step.shift, np.float64), step.reverse
    )
    if asked.kinds and step.axis == 1:
        rest = _into_convs(model, _convs(model, uses, asked.factors), asked)
    made = _in_front(model, value, rest, step)
    for node, index in uses:
        node.replace_input_with(index, made)
    left = {f"{kind}, which not every reader of the input takes": 1 for kind in rest.kinds}
    folded = [kind for kind in asked.kinds if kind not in rest.kinds]
    return Edit(1, left, {"folded": folded})


def _into_convs(model: ir.Model, convs: Sequence[ir.Node], asked: _Arithmetic) -> _Arithmetic:
    """Put into Convs what all of them take; what is left to do before them."""
    import numpy as np

    if not convs:
        return asked
    factors, shifts = asked.factors, asked.shifts
    if all(_takes_shift(conv) for conv in convs):
        if shifts.any():
            for conv in convs:
                _shift_bias(model, conv, shifts)
        shifts = np.zeros_like(shifts)
    turn = asked.reverse and all(_groups(conv) == 1 for conv in convs)
    if turn or (factors != 1).any():
        for conv in convs:
            _scale_weight(model, conv, factors, turn=turn)
    shifts = shifts / factors
    rest = shifts[::-1] if turn else shifts
    return _Arithmetic(np.ones_like(factors), rest, asked.reverse and not turn)


def _convs(
    model: ir.Model, uses: Sequence[tuple[ir.Node, int]], factors: np.ndarray
) -> tuple[ir.Node, ...]:
    """The readers, where each is a Conv whose weights can be scaled; else none."""
    found = []
    for node, index in uses:
        if node.op_type != "Conv" or node.domain not in {"", "ai.onnx"} or index:
            return ()
        weight = constant(node.inputs[1])
        if node.graph is not model.graph or weight is None:
            return ()
        if not _fits(_scaled(weight, factors, _groups(node)), weight):
            return ()
        found.append(node)
    return tuple(found)


def _fits(scaled: np.ndarray, weight: np.ndarray) -> bool:
    """Whether scaled weights neither overflow nor lose digits in the type of the old ones."""
    import numpy as np

    if weight.dtype.kind != "f":
        return False
    limits = np.finfo(weight.dtype)
    size = np.abs(scaled)
    lost = (size < limits.tiny) & (np.abs(weight) >= limits.tiny)
    return bool((size <= limits.max).all() and not lost.any())


def _scaled(weight: np.ndarray, factors: np.ndarray, groups: int) -> np.ndarray:
    """Weights (outputs, channels of a group, …) times the factor of each channel, in float64."""
    import numpy as np

    # row o belongs to group o // (outputs / groups), which reads the channels of that part
    rows = np.repeat(factors.reshape(groups, -1), weight.shape[0] // groups, axis=0)
    scaled: np.ndarray = weight * rows.reshape(rows.shape + (1,) * (weight.ndim - 2))
    return scaled


def _groups(conv: ir.Node) -> int:
    return int(conv.attributes.get_int("group", 1))


def _takes_shift(conv: ir.Node) -> bool:
    """Whether nothing is padded, so that a shift of the input is one of the bias."""
    padded = any(conv.attributes.get_ints("pads", ()))
    if padded or conv.attributes.get_string("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        return False
    bias = _bias(conv)
    return bias is None or constant(bias) is not None


def _bias(conv: ir.Node) -> ir.Value | None:
    return conv.inputs[2] if len(conv.inputs) > 2 else None


def _shift_bias(model: ir.Model, conv: ir.Node, shifts: np.ndarray) -> None:
    """Add what a shift of the input adds to each output."""
    import numpy as np

    weight, bias = constant(conv.inputs[1]), constant(_bias(conv))
    assert weight is not None
    gain = _scaled(weight, shifts, _groups(conv)).reshape(len(weight), -1).sum(axis=1)
    total = gain if bias is None else gain + bias.astype(np.float64)
    conv.resize_inputs(3)
    _put(model, conv, 2, total.astype(weight.dtype))


def _scale_weight(model: ir.Model, conv: ir.Node, factors: np.ndarray, *, turn: bool) -> None:
    weight = constant(conv.inputs[1])
    assert weight is not None
    scaled = _scaled(weight, factors, _groups(conv))
    _put(model, conv, 1, (scaled[:, ::-1] if turn else scaled).astype(weight.dtype))


def _put(model: ir.Model, conv: ir.Node, index: int, array: np.ndarray) -> None:
    """Give a Conv a constant of its own: others may share the old one."""
    import numpy as np

    old = conv.inputs[index]
    stem = f"{conv.outputs[0].name}_bias" if old is None else f"{old.name}_preprocessed"
    new = add_constant(model, namer(model)(stem), np.ascontiguousarray(array))
    conv.replace_input_with(index, new)


def _in_front(model: ir.Model, value: ir.Value, todo: _Arithmetic, step: Preprocessing) -> ir.Value:
    """Retype the input, and insert what is left to do; what the network reads from now on."""
    import numpy as np
    import onnx_ir as ir

    name = namer(model)
    kind, shape = value.dtype, value.shape
    assert kind is not None
    assert shape is not None
    steps: list[ir.Node] = []

    def add(op: str, *constants: np.ndarray, **attributes: object) -> None:
        source = steps[-1].outputs[0] if steps else value
        held = [add_constant(model, name(f"{value.name}_{op}"), item) for item in constants]
        steps.append(ir.node(op, [source, *held], attributes))
        steps[-1].outputs[0].name = name(f"{value.name}_after_{op}")
        steps[-1].outputs[0].dtype = kind if op != "Transpose" else value.dtype
        steps[-1].outputs[0].shape = ir.Shape(shape)

    value.dtype = ir.DataType.from_numpy(np.dtype(step.image))
    if step.permutation is not None:
        value.shape = ir.Shape([shape[at] for at in np.argsort(step.permutation)])
        add("Transpose", perm=list(step.permutation))
    if value.dtype != kind:
        add("Cast", to=int(kind))
    if todo.reverse:
        add("Gather", np.arange(len(todo.factors))[::-1].astype(np.int64), axis=step.axis)
    sides = [1] * len(shape)
    sides[step.axis] = len(todo.factors)
    if (todo.factors != 1).any():
        add("Mul", todo.factors.reshape(sides).astype(kind.numpy()))
    if todo.shifts.any():
        add("Add", todo.shifts.reshape(sides).astype(kind.numpy()))
    if not steps:
        return value
    if len(model.graph):
        model.graph.insert_before(model.graph[0], steps)
    else:
        model.graph.extend(steps)
    return steps[-1].outputs[0]
