"""What is tried, from what a user says and leaves open (`auto`)."""

from __future__ import annotations

from optkit.core.errors import bad_input
from optkit.quantization.candidates import Wishes

_MARGINS = (1.1, 1.0, 1.25, 1.5, 1.75, 2.0)
"""Samples not seen reach beyond those seen, if not by much."""


def wishes(
    *,
    effort: str,
    engine: str,
    preset: str,
    estimator: str,
    margin: float | None,
    bias_correction: str,
    fast_bias_correction: bool,
    overflow_fix: str,
    transformer: bool,
    free: bool,
) -> Wishes:
    """The candidates to try; the first of each choice is what `fast` takes.

    Without data (`free`) nothing is searched: inputs made up tell how far values reach, but what
    fits them best, such as SmoothQuant's scales, need not fit real ones.

    Raises:
        OptkitError: what only one engine has is asked of the other (bad input).
    """

    def either(word: str, *choices: str) -> tuple[str, ...]:
        return choices if word == "auto" else (word,)

    if overflow_fix == "pairs" and engine == "nncf":
        raise bad_input(
            "quantize_int8: NNCF has no overflow_fix: pairs",
            "leave engine out, or take first_layer or all",
        )
    engine = "optkit" if overflow_fix == "pairs" else engine
    fast, thorough = effort == "fast" or free, effort == "thorough"
    engines = either(engine, *(("optkit",) if fast else ("optkit", "nncf")))
    margins = _MARGINS if margin is None else (margin,)
    estimators = either(
        estimator, "minmax", "percentile", "least_error", *(["mean_minmax"] if thorough else [])
    )
    corrections = either(bias_correction, "fast", "none", "full")
    if engine == "nncf" and not fast_bias_correction:
        corrections = ("full",)
    if engine == "nncf" and estimator == "auto":
        estimators = ("mean_minmax", "minmax")
    symmetric = {"performance": (True,), "mixed": (False,)}.get(preset, (True, False))
    if engine == "nncf" and preset == "auto":
        symmetric = (False, True)
    return Wishes(
        effort="fast" if fast else effort,
        engines=engines,
        estimators=estimators,
        margins=(1.0,) if free and margin is None else margins,
        symmetric=symmetric,
        corrections=corrections,
        overflows=either(overflow_fix, "pairs", "none", *(["first_layer"] if thorough else [])),
        smooth=(False, True) if transformer else (False,),
    )
