"""How a runtime is to run a model: the field's own words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Hint = Literal["latency", "throughput", "cumulative_throughput", "none"]
Api = Literal["sync", "async"]
InferPrecision = Literal["f32", "bf16", "f16"]
Mode = Literal["eager", "frozen", "compile", "aot"]


@dataclass(frozen=True)
class Settings:
    """How a runtime is to run a model.

    None leaves the choice to the scenario (`hint`, `api`) or to the runtime.

    Attributes:
        device: a device word of the runtime, such as `CPU`, or several as in `HETERO:GPU,CPU`.
        hint: what the runtime is to make the most of.
        api: `sync` waits for each inference; `async` has several under way.
        streams: inferences that run side by side, each on its share of the threads.
        threads: processor threads.
        nireq: inferences that are under way at once, waiting ones included (`async`).
        batch: how often the inputs are repeated along their batch axis, for one inference.
        infer_precision: what arithmetic the runtime may use.
        pin: whether threads are bound to cores.
        mode: how torch runs it; None: as the file says.
        graph_optimizations: whether ONNX Runtime may rewrite the graph itself.
    """

    device: str = "CPU"
    hint: Hint | None = None
    api: Api | None = None
    streams: int | None = None
    threads: int | None = None
    nireq: int | None = None
    batch: int = 1
    infer_precision: InferPrecision = "f32"
    pin: bool | None = None
    mode: Mode | None = None
    graph_optimizations: bool = True


DEFAULT = Settings()


def chosen(settings: Settings) -> dict[str, Any]:
    """What was asked for beside the defaults, by the setting's name."""
    return {
        name: value for name, value in asdict(settings).items() if value != getattr(DEFAULT, name)
    }
