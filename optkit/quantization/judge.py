"""Judges a quantized model by its outputs on samples that it was not calibrated on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from optkit.quantization.tools import Tools

    Arrays = Mapping[str, np.ndarray]

_STATIC = 1e-12


@dataclass(frozen=True)
class Score:
    """How close a model comes to the network it was made of.

    Attributes:
        sqnr_db: signal to quantization noise in dB, of the worst output; inf where equal, −inf
            where it gave NaN.
        drop: what the task metric lost; None where none is judged.
    """

    sqnr_db: float
    drop: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """For `details`: JSON has no infinities."""
        value = round(self.sqnr_db, 3) if math.isfinite(self.sqnr_db) else None
        return {"sqnr_db": value} | ({} if self.drop is None else {"drop": round(self.drop, 6)})


Rate = Callable[[int, "np.ndarray", "np.ndarray"], tuple[float, int]]
"""A sample's index, its first output and the network's own to (sum of scores, predictions)."""


@dataclass(frozen=True)
class Reference:
    """The outputs of the network in floating point, kept on disk, a file for each sample.

    Attributes:
        samples: what it was run on.
        folder: where the outputs lie.
        rate: scores a prediction; None where the outputs alone are compared.
        value: the reference's own metric.
    """

    samples: Sequence[Arrays] | Any
    folder: Path
    rate: Rate | None = None
    value: float = 0.0

    def outputs(self, index: int) -> list[np.ndarray]:
        """The outputs of one sample."""
        import numpy as np

        with np.load(self.folder / f"{index}.npz") as kept:
            return [kept[f"arr_{at}"] for at in range(len(kept.files))]


def remember(
    tools: Tools, model: Any, samples: Any, folder: Path, rate: Rate | None = None
) -> Reference:
    """Run the network in floating point and keep its outputs.

    Args:
        tools: how the format's models are handled.
        model: the network.
        samples: what to judge on; read once more for each model that is judged.
        folder: an empty folder for the outputs.
        rate: scores a prediction, see `Rate`.
    """
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    total, count = 0.0, 0

    def visit(index: int, outputs: list[np.ndarray]) -> None:
        nonlocal total, count
        with (folder / f"{index}.npz").open("wb") as file:
            np.savez(file, *outputs)
        if rate is not None:
            scored, predictions = rate(index, outputs[0], outputs[0])
            total, count = total + scored, count + predictions

    tools.stream(model, samples, visit)
    return Reference(samples, folder, rate, total / max(count, 1))


def judge(tools: Tools, model: Any, reference: Reference) -> Score:
    """Run a quantized model on the reference's samples, in integers, and compare."""
    import numpy as np

    signal: list[float] = []
    noise: list[float] = []
    varies: list[float] = []
    total, count = 0.0, 0

    def visit(index: int, outputs: list[np.ndarray]) -> None:
        nonlocal total, count
        wanted = reference.outputs(index)
        if not signal:
            signal.extend([0.0] * len(wanted))
            noise.extend([0.0] * len(wanted))
            varies.extend([0.0] * len(wanted))
        for at, (want, got) in enumerate(zip(wanted, outputs, strict=True)):
            if want.dtype.kind != "f":
                continue
            a, b = want.astype(np.float64), got.astype(np.float64)
            signal[at] += float(np.square(a).sum())
            noise[at] += float(np.square(a - b).sum()) if a.shape == b.shape else math.nan
            varies[at] = max(varies[at], float(np.ptp(a)) if a.size else 0.0)
        if reference.rate is not None:
            scored, predictions = reference.rate(index, outputs[0], wanted[0])
            total, count = total + scored, count + predictions

    tools.stream(model, reference.samples, visit)
    found = [_db(s, n) for s, n, v in zip(signal, noise, varies, strict=True) if v > _STATIC]
    drop = None if reference.rate is None else reference.value - total / max(count, 1)
    return Score(min(found, default=math.inf), drop)


def _db(signal: float, noise: float) -> float:
    if not math.isfinite(noise):
        return -math.inf
    return math.inf if noise == 0 else 10 * math.log10(max(signal, _STATIC) / noise)
