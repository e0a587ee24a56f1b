"""prune: channels, heads and hidden units that count least taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome, transform, unchanged

if TYPE_CHECKING:
    from optkit.pruning.choice import Means
    from optkit.pruning.network import Network


class IgnoredScope(BaseModel):
    """Layers that stay whole, and all that would have to go with them."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    names: tuple[str, ...] = Field((), description="names of layers")
    patterns: tuple[str, ...] = Field((), description="regular expressions of names")
    types: tuple[str, ...] = Field((), description="operations, such as conv2d or linear")


def _share(description: str) -> Any:
    return Field(None, gt=0, lt=1, description=description)


class Options(BaseModel):
    """Options of `prune`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    ratio: float | None = _share("share of the channels to take")
    flops: float | None = _share("share of the multiply-adds to leave; 0.5 if nothing is bounded")
    parameters: float | None = _share("share of the parameters to leave")
    latency: float | None = _share("share of the latency to leave, measured in OpenVINO")
    max_drop: float | None = _share(
        "accuracy to lose at most on data like the calibration samples (without labels: share of "
        "answers that change), with 95 % confidence; by the sensitivity of each layer"
    )
    criterion: Literal["magnitude", "taylor", "batchnorm_scale"] = Field(
        "magnitude", description="what a channel is judged by"
    )
    scope: Literal["per_layer", "global"] = Field(
        "per_layer", description="the same share of every layer, or ranked over all of them"
    )
    round_to: int = Field(8, ge=1, description="kept channels are a multiple of it")
    ignored_scope: IgnoredScope = Field(IgnoredScope(), description="what stays whole")
    sparsity: Literal["structured", "unstructured", "2:4"] = Field(
        "structured", description="take channels out, or only set weights to zero: no time saved"
    )
    subset_size: int = Field(
        1024, ge=1, description="calibration samples to use at most: 256 of them to rank and "
        "search by, the others to judge max_drop by"
    )  # fmt: skip
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
    from optkit.pruning.checking import checked
    from optkit.pruning.choice import Wish, choose
    from optkit.pruning.deciding import allowed, described, nothing
    from optkit.pruning.dependencies import analyse
    from optkit.pruning.masks import masked
    from optkit.pruning.network import emit, rebuild
    from optkit.pruning.surgery import cut

    format_: Any = {"torchscript": torchscript, "exported": exported, "onnx": onnx}[artifact.format]
    example = context.example(0)
    network = rebuild(format_.load(artifact), artifact.signature, example)
    structure = analyse(network.graph, network.inputs(example))
    scope = options.ignored_scope
    groups = allowed(structure, scope.names, scope.patterns, scope.types)
    reason, details = None, dict[str, Any]()
    if options.sparsity == "structured":
        wish = Wish(**options.model_dump(include=set(Wish.__dataclass_fields__)))
        gone, details = choose(structure, groups, wish, _means(network, options, context))
        if not gone.any():
            return unchanged(nothing(structure, groups, wish.round_to), **details)
        graph = cut(structure, gone)
        details = {**details, **described(structure, groups, gone)}
    else:
        share = (options.ratio or 0.5) if options.sparsity == "unstructured" else None
        whole = {name for one in structure.groups if one not in groups for name in one.layers}
        graph, details["zeros"] = masked(network.graph, ratio=share, whole=whole)
        reason = "zeros make the file smaller once it is compressed; no runtime here saves time"
    checked(structure, graph, [network.inputs(context.example(at)) for at in (0, 1)])
    path = context.output / format_.FILE
    format_.save(emit(replace(network, graph=graph), artifact.format, example), path)
    return Outcome(path, reason, details)


def _means(network: Network, options: Options, context: Context) -> Means:
    from optkit.benchmark.relative import share_of_latency
    from optkit.core.machine import machine
    from optkit.pruning.choice import Means
    from optkit.pruning.feeding import feed
    from optkit.pruning.network import emit

    example = context.example(0)

    def latency(graph: Any) -> float:
        before, after = (
            emit(one, "exported", example) for one in (network, replace(network, graph=graph))
        )
        face = network.signature
        return share_of_latency(before, after, face, example, options.device, context.scratch)

    return Means(
        lambda: feed(network, context.samples(), options.subset_size), latency,
        {**machine(), "device": options.device}, context.remember, context.progress,
    )  # fmt: skip
