"""Find what half precision cannot hold in an ONNX graph, and the nodes that must not compute in it.

Half precision reaches from 6.1e-5 (6e-8 with fewer digits) to 65504.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnx_ir as ir

    Arrays = Mapping[str, np.ndarray]

LARGEST = 65504.0
SMALLEST = 2.0**-14

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
        return f"overflows: max {largest:.2g}"
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
    """Names of float32 constants that half precision does not hold, with the reason."""
    import onnx_ir as ir

    values = [
        value
        for graph in (model.graph, *model.graph.subgraphs())
        for value in graph.initializers.values()
    ]
    values += [n.outputs[0] for n in model.graph.all_nodes() if n.op_type == "Constant"]
    found = {}
    for value in values:
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT:
            why = misfit(tensor.numpy())
            if why:
                found[str(value.name)] = why
    return found


def unfit_values(
    model: ir.Model, run: Callable[[onnx.ModelProto, Arrays], Arrays], samples: Iterable[Arrays]
) -> dict[str, str]:
    """Names of computed values of the main graph that leave the range, with the reason.

    Args:
        model: the float32 model, types inferred.
        run: one inference of a model: arrays by input name to arrays by output name.
        samples: what to run on.
    """
    import numpy as np

    watching, values = _watching(model)
    largest: dict[str, float] = dict.fromkeys(values.values(), 0.0)
    for sample in samples if values else ():
        for name, array in run(watching, sample).items():
            if name in values:
                seen = float(np.nan_to_num(array, nan=0.0, posinf=np.inf))
                largest[values[name]] = max(largest[values[name]], seen)
    return {name: why for name, peak in largest.items() if (why := out_of_range(peak))}


def _watching(model: ir.Model) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A model that gives max|v| of every float32 value v as well; v's name by the output's."""
    import onnx_ir as ir

    from optkit.rewrite.replacing import namer

    wider = model.clone()
    graph, name, found = wider.graph, namer(wider), {}
    for value in [value for node in wider.graph for value in node.outputs]:
        if value.dtype != ir.DataType.FLOAT or not value.name:
            continue
        size = ir.node("Abs", [value])
        peak = ir.node("ReduceMax", [size.outputs[0]], {"keepdims": 0})
        size.outputs[0].name, peak.outputs[0].name = name("magnitude"), name("largest")
        peak.outputs[0].type, peak.outputs[0].shape = ir.TensorType(value.dtype), ir.Shape(())
        graph.extend((size, peak))
        graph.outputs.append(peak.outputs[0])
        found[str(peak.outputs[0].name)] = value.name
    return ir.to_proto(wider), found


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


def bypass_round_trips(model: ir.Model, known: Iterable[str | None]) -> None:
    """Take float32 → half → float32 out from between nodes that stay in float32; edits in place.

    Args:
        model: the converted model.
        known: names of nodes that were there before; their casts stay.
    """
    import onnx_ir as ir

    old = set(known)
    for node in list(model.graph.all_nodes()):
        if not _casts(node, ir.DataType.FLOAT, old):
            continue
        half: Any = node.inputs[0]
        source = half.producer()
        if source is None or not _casts(source, ir.DataType.FLOAT16, old):
            continue
        value, copy = source.inputs[0], node.outputs[0]
        if value is None or value.dtype not in {None, ir.DataType.FLOAT}:
            continue
        graph = node.graph
        assert graph is not None
        if copy.is_graph_output():
            if value.producer() is None or value.is_graph_output() or source.graph is not graph:
                continue
            copy.replace_all_uses_with(value, replace_graph_outputs=True)
            value.name, value.type, value.shape = copy.name, copy.type, copy.shape
        else:
            copy.replace_all_uses_with(value)
        graph.remove(node, safe=True)


def _casts(node: ir.Node, dtype: ir.DataType, old: set[str | None]) -> bool:
    if node.op_type != "Cast" or node.domain or node.name in old:
        return False
    return bool(node.attributes["to"].as_int() == dtype)
