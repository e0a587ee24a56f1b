"""Full bias correction: what quantization shifts of each layer's mean, measured and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.tools import Figure, Tools

if TYPE_CHECKING:
    import numpy as np

    from optkit.quantization.sites import Layer, Sites

_SETTLED = 0.05
"""What shifts may change by, as a share of themselves, from one round to the next."""


def measured_shifts(
    tools: Tools,
    model: Any,
    sites: Sites,
    samples: Any,
    build: Callable[[Mapping[str, np.ndarray]], Any],
) -> dict[str, np.ndarray]:
    """Shifts of layers' outputs, by name, that bring their means back (Nagel et al. 2019).

    Each layer's shift is what its mean is off by while all before it are corrected. Going through
    the layers one by one would take a run for each. All are measured at once instead, again and
    again: after n rounds the first n in the graph's order are as if taken one by one, and mostly
    all the others too, a few rounds on.

    Args:
        tools: how the format's models are handled.
        model: the network in floating point.
        sites: what is quantized.
        samples: what means are taken over; read once, and once more for each round.
        build: the quantized model with these shifts.
    """
    layers = list(sites.layers)
    biased = [layer.name for layer in layers if layer.biased]
    wanted = _means(tools, model, layers, samples, "ReduceMean")
    shifts: dict[str, np.ndarray] = {}
    for _ in layers:
        # Of tensors handed out: OpenVINO 2026.4 loses the scale of what it reduces in integers.
        found = _means(tools, build(shifts), layers, samples, "")
        before = shifts
        # What was added to a layer tells nothing of what it lacks.
        found |= {name: found[name] - before.get(name, 0.0) for name in biased}
        shifts = {name: wanted[name] - found[name] for name in wanted}
        if before and _change(before, shifts) < _SETTLED:
            break
    return shifts


def _change(before: Mapping[str, np.ndarray], shifts: Mapping[str, np.ndarray]) -> float:
    """The largest over layers, as a share of the shift itself."""
    import numpy as np

    def share(name: str) -> float:
        size = float(np.linalg.norm(shifts[name]))
        return float(np.linalg.norm(shifts[name] - before[name])) / size if size else 0.0

    return max(map(share, shifts))


def _means(
    tools: Tools, model: Any, layers: list[Layer], samples: Any, reduction: str
) -> dict[str, np.ndarray]:
    import numpy as np

    sums: dict[str, np.ndarray] = {}
    count = 0

    def visit(_: int, values: list[np.ndarray]) -> None:
        nonlocal count
        for layer, value in zip(layers, values, strict=True):
            axis = layer.out % value.ndim
            along = tuple(other for other in range(value.ndim) if other != axis)
            mean = value.mean(axis=along, dtype=np.float64)
            sums[layer.name] = mean if layer.name not in sums else sums[layer.name] + mean
        count += 1

    figures = [Figure(layer.output, reduction, layer.out) for layer in layers]
    tools.stream(tools.observed(model, figures), samples, visit)
    return {name: total / count for name, total in sums.items()}
