"""prune: channels, heads and hidden units that count least taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged

if TYPE_CHECKING:
    from optkit.pruning.network import Network


class IgnoredScope(BaseModel):
    """Layers that stay whole, and all that would have to go with them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...] = Field((), description="names of layers")
    patterns: tuple[str, ...] = Field((), description="regular expressions of names")
    types: tuple[str, ...] = Field((), description="operations, such as conv2d or linear")


class Options(BaseModel):
    """Options of `prune`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: float | None = Field(None, gt=0, lt=1, description="share of the channels to take")
    flops: float | None = Field(
        None, gt=0, lt=1, description="share of the multiply-adds that may be left; 0.5 if no "
        "bound is given"
    )  # fmt: skip
    parameters: float | None = Field(
        None, gt=0, lt=1, description="share of the parameters that may be left"
    )
    latency: float | None = Field(
        None, gt=0, lt=1, description="share of the latency that may be left, measured in OpenVINO"
    )
    max_drop: float | None = Field(
        None, gt=0, lt=1, description="accuracy that may be lost on the calibration samples (without "
        "labels: share of answers that may change), by the sensitivity of each layer"
    )  # fmt: skip
    criterion: Literal["magnitude", "taylor", "batchnorm_scale"] = Field(
        "magnitude", description="what a channel is judged by"
    )
    scope: Literal["per_layer", "global"] = Field(
        "per_layer", description="the same share of every layer, or ranked over all of them"
    )
    round_to: int = Field(8, ge=1, description="kept channels are a multiple of it")
    ignored_scope: IgnoredScope = Field(IgnoredScope(), description="what stays whole")
    sparsity: Literal["structured", "unstructured", "2:4"] = Field(
        "structured", description="take channels out; or only set weights to zero, which saves "
        "size once compressed and no time"
    )  # fmt: skip
    subset_size: int = Field(256, ge=1, description="calibration samples to use at most")
    device: str = Field("CPU", description="where latency is measured")

    @model_validator(mode="after")
    def _has_one_bound(self) -> Options:
        bounds = ("ratio", "flops", "parameters", "latency", "max_drop")
        given = [name for name in bounds if getattr(self, name) is not None]
        allowed = bounds if self.sparsity == "structured" else bounds[:1]
        if len(given) > 1 or not set(given) <= set(allowed):
            raise PydanticCustomError(
                "bounds", "prune takes one bound, not {given}",
                {"given": " and ".join(given), "hint": f"keep one of {', '.join(allowed)}"},
            )  # fmt: skip
        return self


@transform(
    Options, takes=("torchscript", "exported", "onnx"),
    needs=("torch", "onnx", "onnxscript", "onnx-ir", "openvino"), after=("sensitivity",),
    uses_data=True, measures=lambda options: options.latency is not None, cosine=0.9,
)  # fmt: skip
def prune(artifact: Artifact, options: Options, context: Context) -> Outcome:
    """Take out the channels, attention heads and hidden units that count least.

    What hangs together goes together: all weights, biases and statistics of a channel, and what
    residual sums, concatenations, groups and reshapes tie to it. Anything that is not understood
    stays whole. The network is run before it is passed on.

    Given:
        Conv(x, W of 64 × 32 × 3 × 3) → BatchNorm(64) → Conv(W of 128 × 64 × 3 × 3)
    Result:
        Conv(x, W of 32 × 16 × 3 × 3) → BatchNorm(32) → Conv(W of 64 × 32 × 3 × 3), at ratio 0.5

    Raises:
        OptkitError: the network cannot be captured as a graph; the bound cannot be met, or
            `ignored_scope` names what is not there (bad input).
    """
    from optkit.formats import exported, onnx, torchscript
    from optkit.pruning.choice import choose
    from optkit.pruning.deciding import allowed, checked, described
    from optkit.pruning.dependencies import analyse
    from optkit.pruning.network import emit, rebuild
    from optkit.pruning.surgery import cut

    format_: Any = {"torchscript": torchscript, "exported": exported, "onnx": onnx}[artifact.format]
    example = context.example(0)
    network = rebuild(format_.load(artifact), artifact.signature, example)
    path = context.output / format_.FILE
    structure = analyse(network.graph, network.inputs(example))
    scope = options.ignored_scope
    groups = allowed(structure, scope.names, scope.patterns, scope.types)
    if options.sparsity != "structured":
        whole = {layer for group in structure.groups if group not in groups for layer in group.layers}
        pruned, details = _masked(network, options, whole)
        reason = f"{options.sparsity} zeros save size once compressed, and no time in any runtime here"
    else:
        reason, details = None, {}
        gone, found = choose(structure, groups, _wish(options), _means(network, options, context))
        if not gone.any():
            why = "; ".join(structure.left) if not structure.groups else (
                f"no layer can spare {options.round_to} channels" if groups else "all is ignored")
            return unchanged(f"no channel can go: {why}", **found, left=dict(structure.left))
        pruned = replace(network, graph=cut(structure, gone))
        details = {**found, **described(structure, groups, gone)}
    checked(structure, pruned.graph, [network.inputs(context.example(at)) for at in (0, 1)])
    format_.save(emit(pruned, artifact.format, example), path)
    return Outcome(path, reason, details)


def _wish(options: Options) -> Any:
    from optkit.pruning.choice import Wish

    return Wish(**{name: getattr(options, name) for name in Wish.__dataclass_fields__})


def _means(network: Network, options: Options, context: Context) -> Any:
    from itertools import count

    from optkit.benchmark.relative import share_of_latency
    from optkit.core.machine import machine
    from optkit.pruning.choice import Means
    from optkit.pruning.feeding import feed
    from optkit.pruning.network import emit

    tries, example = count(), context.example(0)

    def latency(graph: Any) -> float:
        pair = [emit(one, "exported", example) for one in (network, replace(network, graph=graph))]
        folder = context.scratch / str(next(tries))
        folder.mkdir()
        return share_of_latency(*pair, network.signature, example, options.device, folder)

    return Means(
        lambda: feed(network, context.samples(), options.subset_size), latency,
        {**machine(), "device": options.device}, context.remember, context.progress,
    )


def _masked(network: Network, options: Options, whole: set[str]) -> tuple[Network, dict[str, Any]]:
    from optkit.pruning.masks import masked

    ratio = (options.ratio or 0.5) if options.sparsity == "unstructured" else None
    graph, shares = masked(network.graph, ratio=ratio, whole=whole)
    return replace(network, graph=graph), {"zeros": shares}
