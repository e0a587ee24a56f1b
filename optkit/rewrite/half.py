"""Find what half precision cannot hold in an ONNX graph, and the nodes that must not compute in it.

Half precision reaches from 6.1e-5 (6e-8 with fewer digits) to 65504.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    Arrays = Mapping[str, np.ndarray]

LARGEST = 65504.0
SMALLEST = 2.0**-14
OVERFLOWS = "overflows"
"""How the reason begins for what is too large."""

_TOLD = 3

_LOSS = 1e-2
"""Part of a tensor's Euclidean norm that rounding to half precision may take away; rounding normal
numbers takes 2e-4."""


def misfit(array: np.ndarray) -> str | None:
    """Why half precision does not hold a float32 array; None where it does."""
    import numpy as np

    finite = array[np.isfinite(array)]
    if not finite.size:
        return None
    why = out_of_range(float(np.abs(finite).max()))
    if why:
        return why
    wide = finite.astype("f8")
    lost = float(np.linalg.norm(wide - finite.astype("f2")))
    norm = float(np.linalg.norm(wide))
    return f"loses {lost / norm:.1%} of its norm" if lost > _LOSS * norm else None


def out_of_range(largest: float) -> str | None:
    """Why half precision does not hold values whose largest magnitude is this."""
    if largest > LARGEST:
        return f"{OVERFLOWS}: max {largest:.2g}"
    if 0 < largest < SMALLEST:
        return f"underflows: max {largest:.2g}"
    return None


def told(kept: Mapping[str, str]) -> str | None:
    """The first few values that stay in float32, with the reason, in one line."""
    if not kept:
        return None
    first = ", ".join(f"'{name}' {why}" for name, why in list(kept.items())[:_TOLD])
    more = f" and {len(kept) - _TOLD} more" if len(kept) > _TOLD else ""
    return f"kept in float32: {first}{more}"


def unfit_weights(model: ir.Model) -> dict[str, str]:
    """Names of the main graph's float32 initializers that half precision does not hold, and why."""
    found = {}
    for name, array in float32_weights(model):
        why = misfit(array())
        if why:
            found[name] = why
    return found


def float32_weights(model: ir.Model) -> list[tuple[str, Callable[[], np.ndarray]]]:
    """Float32 initializers of the main graph: their names, and how to read them."""
    import onnx_ir as ir

    tensors = [(name, value.const_value) for name, value in model.graph.initializers.items()]
    return [
        (name, tensor.numpy)
        for name, tensor in tensors
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT
    ]


def unfit_values(
    model: ir.Model,
    prepare: Callable[[ir.Model], Callable[[Arrays], Arrays]],
    samples: Iterable[Arrays],
) -> dict[str, str]:
    """Names of inputs and computed values of the main graph that leave the range, and why.

    Args:
        model: the float32 model, types inferred.
        prepare: makes of a model a function of arrays by input name to arrays by output name.
        samples: what to run on.
    """
    watching, values = _watching(model)
    run = prepare(watching)

    def seen() -> Iterator[Arrays]:
        for sample in samples:
            found = run(sample)
            yield {**sample, **{name: found[output] for output, name in values.items()}}

    return unfit_arrays(seen())


def unfit_arrays(found: Iterable[Arrays]) -> dict[str, str]:
    """Names of arrays that leave the range, with the reason.

    Args:
        found: arrays by name, those of one inference after another. NaN and infinity, which half
            precision holds too, do not count; a sequence is passed over.
    """
    import numpy as np

    largest: dict[str, float] = {}
    for arrays in found:
        for name, array in arrays.items():
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                peak = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
                largest[name] = max(peak, largest.get(name, 0.0))
    return {name: why for name, peak in largest.items() if (why := out_of_range(peak))}


def _watching(model: ir.Model) -> tuple[ir.Model, dict[str, str]]:
    """A model that gives the largest finite |v| of every float32 value v; v's name by the output's.

    A mask of -inf must not hide what else a value holds.
    """
    import numpy as np
    import onnx_ir as ir

    from optkit.rewrite.replacing import add_constant, namer

    wider = model.clone()
    graph, name, found = wider.graph, namer(wider), {}
    zero = add_constant(wider, name("zero"), np.array(0, "f4"))
    for value in [value for node in wider.graph for value in node.outputs]:
        tensor = isinstance(value.type, ir.TensorType)
        if not tensor or value.dtype != ir.DataType.FLOAT or not value.name:
            continue
        size = ir.node("Abs", [value])
        without = ir.node("IsInf", [size.outputs[0]])
        finite = ir.node("Where", [without.outputs[0], zero, size.outputs[0]])
        peak = ir.node("ReduceMax", [finite.outputs[0]], {"keepdims": 0})
        for node, word in ((size, "magnitude"), (without, "infinite"), (finite, "finite"),
                           (peak, "largest")):  # fmt: skip
            node.outputs[0].name = name(word)
        peak.outputs[0].type, peak.outputs[0].shape = ir.TensorType(value.dtype), ir.Shape(())
        graph.extend((size, without, finite, peak))
        graph.outputs.append(peak.outputs[0])
        found[str(peak.outputs[0].name)] = value.name
    return wider, found


def name_nodes(model: ir.Model) -> None:
    """Give each node a name of its own; those that are alone in having theirs keep it."""
    times = Counter(node.name for node in model.graph.all_nodes())
    taken, count = set(times), 0
    for node in model.graph.all_nodes():
        if node.name and times[node.name] == 1:
            continue
        while f"{node.op_type}_{count}" in taken:
            count += 1
        node.name = f"{node.op_type}_{count}"
        taken.add(node.name)


def touching(model: ir.Model, values: Iterable[str]) -> list[str]:
    """Names of the nodes that compute or read one of these values."""
    wanted = set(values)
    return [
        str(node.name)
        for node in model.graph.all_nodes()
        if any(v is not None and v.name in wanted for v in (*node.inputs, *node.outputs))
    ]
