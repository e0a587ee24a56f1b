"""Full bias correction: what quantization shifts of each layer's mean, measured and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optkit.quantization.tools import Figure, Tools

if TYPE_CHECKING:
    import numpy as np

    from optkit.quantization.sites import Layer, Sites

ROUNDS = 3


def measured_shifts(
    tools: Tools,
    model: Any,
    sites: Sites,
    samples: Any,
    build: Callable[[Mapping[str, np.ndarray]], Any],
    rounds: int = ROUNDS,
) -> dict[str, np.ndarray]:
    """Shifts of layers' outputs, by name, that bring their means back.

    All layers are measured at once and corrected at once; what an earlier layer's shift did to the
    later ones is undone in the next round.

    Args:
        tools: how the format's models are handled.
        model: the network in floating point.
        sites: what is quantized.
        samples: what means are taken over; read once, and once more for each round.
        build: the quantized model with these shifts.
        rounds: how often to measure.
    """
    layers = list(sites.layers)
    wanted = _means(tools, model, layers, samples)
    shifts: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        found = _means(tools, build(shifts), layers, samples)
        # The output is seen before its bias, where the shift is not in it yet.
        shifts = {name: wanted[name] - found[name] for name in wanted}
    return shifts


def _means(tools: Tools, model: Any, layers: list[Layer], samples: Any) -> dict[str, np.ndarray]:
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

    figures = [Figure(layer.output, "ReduceMean", layer.out) for layer in layers]
    tools.stream(tools.observed(model, figures), samples, visit)
    return {name: total / count for name, total in sums.items()}
