"""NNCF as an engine: what `nncf.quantize` makes of a candidate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.quantization.candidates import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from optkit.core.samples import Samples

OWN = "mean_minmax"
"""The estimator that NNCF takes by itself."""

_OVERFLOWS = {"first_layer": "FIRST_LAYER", "all": "ENABLE"}


def quantize(
    model: Any,
    samples: Samples,
    candidate: Candidate,
    *,
    transformer: bool,
    ignored: Collection[str] = (),
    scope: Mapping[str, tuple[str, ...]] | None = None,
    progress: Callable[[int, int | None], None] = lambda *_: None,
) -> Any:
    """The model in 8 bits, by NNCF.

    Args:
        model: an `openvino.Model` or `onnx.ModelProto`; it stays as it is.
        samples: what to calibrate on, all of them.
        candidate: how; its estimator is NNCF's own, or `minmax`.
        transformer: whether the network is one.
        ignored: names of operations that stay in floating point.
        scope: `names`, `patterns` and `types` that do.
        progress: called with (done, total) while statistics are collected.

    Raises:
        OptkitError: NNCF refuses the model or fails on it, or refuses the scope (bad input).
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    more: dict[str, Any] = {}
    if candidate.estimator != OWN:
        more["activations_range_estimator_params"] = RangeEstimatorParametersSet.MINMAX
    if candidate.overflow != "none":
        more["overflow_fix"] = nncf.OverflowFix[_OVERFLOWS[candidate.overflow]]
    if not candidate.smooth:
        more["smooth_quant_alphas"] = nncf.AdvancedSmoothQuantParameters(-1, -1)
    scope = scope or {}
    seen = count(1)

    def told(sample: Any) -> dict[str, Any]:
        progress(min(next(seen), len(samples)), len(samples))
        return dict(sample)

    try:
        return nncf.quantize(
            model,
            nncf.Dataset(samples, told),
            preset=nncf.QuantizationPreset("performance" if candidate.symmetric else "mixed"),
            subset_size=len(samples),
            fast_bias_correction=candidate.correction != "full",
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            ignored_scope=nncf.IgnoredScope(
                names=[*scope.get("names", ()), *ignored],
                patterns=list(scope.get("patterns", ())),
                types=list(scope.get("types", ())),
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                disable_bias_correction=candidate.correction == "none",
                **more,
            ),
        )
    except OptkitError:  # a sample that cannot be read
        raise
    except Exception as error:  # ONNX Runtime within it too: fused values have no name any more
        if not (isinstance(error, nncf.ValidationError) and any(scope.values())):
            raise OptkitError(f"NNCF refuses the model: {root_cause(error)}") from error
        raise bad_input(
            f"quantize_int8: {root_cause(error)}", "mend ignored_scope in the recipe"
        ) from error
