"""The proof: outputs compared with the source's, and what was achieved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.catalogue import find_format
from optkit.core.artifact import Artifact
from optkit.core.code import own_code
from optkit.core.contract import Session
from optkit.core.errors import Exit, OptkitError, root_cause
from optkit.core.events import Event
from optkit.core.machine import machine
from optkit.core.preprocessing import prepared_inputs, preprocessing_to_json, raw_inputs
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import signature_to_json
from optkit.core.store import Store
from optkit.engine.data import Data
from optkit.engine.running import running, runtime_code, runtime_versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.engine.verify.keep import finish, keep_samples, known_samples, samples_key
from optkit.engine.verify.kept import Kept

if TYPE_CHECKING:
    from optkit.core.contract import Arrays

    Infer = Callable[[Arrays], Mapping[str, Any]]

Row = dict[str, Any]


def summarise(artifact: Artifact, store: Store) -> Row:
    """Operations, parameters, FLOPs and precision as found in a model; remembered."""

    def read() -> Row:
        found = find_format(artifact.format).summary(artifact)
        return {
            "operations": dict(found.operations),
            "parameters": found.parameters,
            "flops": found.flops,
            "precision": found.precision,
            "by_operation": found.by_operation,
        }

    return dict(store.fact(about(artifact, "summary"), read))


def validate(
    shop: Workshop, result: Artifact, data: Data, *, again: bool, kept: Kept | None = None
) -> Row:
    """Compare a result with the source on the validation samples, inference pinned to float32.

    Args:
        shop: the run's source, store and listener.
        result: the model to judge.
        data: the samples and the metric.
        again: repeat it even where it is known.
        kept: takes some of the inputs and of what both models give for them.

    Raises:
        OptkitError: labels do not fit the outputs, or the result does not run.
    """
    source = shop.source.artifact
    shop.listen(Event("start", "validate", f"{result.format} against {source.format}"))
    question = {
        "models": [about(source, "validation"), about(result, "validation")],
        "signature": signature_to_json(source.signature),
        "preprocessing": preprocessing_to_json(result.preprocessing),
        "data": data.validation.digest,
        "metric": [data.metric, data.metric_output],
        "versions": runtime_versions(source, result),
        "code": own_code("optkit.validate.run", "optkit.data.read", *runtime_code(source, result)),
        "machine": machine(),
    }
    fresh = []

    def measure() -> Row:
        from optkit.validate.run import validate as compare

        fresh.append(True)
        pair = inferences(shop, result, data)
        expected, got = kept.watching(*pair) if kept else pair
        row = compare(
            expected,
            fed(got, result),
            data.validation,
            data.metric,
            data.metric_output,
            lambda done, total: shop.listen(Event("progress", "validate", "", done, total)),
        )
        if kept is not None:
            finish(kept, pair, shop, result)
        return row

    row = shop.store.fact(question, measure, again=again)
    shop.listen(Event("end", "validate", "done" if fresh else "measured earlier"))
    return {"artifact": result.path.name, **row, "cached": not fresh}


def _open(artifact: Artifact) -> Session:
    session: Session = running(artifact)[1].open_session(artifact, Settings())
    return session


def validated(shop: Workshop, result: Artifact, data: Data, *, again: bool) -> tuple[Row, Path]:
    """`validate`, and the file of what it saw that `optkit verify` needs."""
    key = samples_key(shop, result, data.validation.digest)
    known = None if again else known_samples(shop, key)
    kept = Kept()
    row = validate(shop, result, data, again=known is None, kept=kept)
    return row, known or keep_samples(kept, shop, key)


def inferences(shop: Workshop, result: Artifact, data: Data) -> tuple[Infer, Infer]:
    """The source's inference and the result's, the latter on inputs as the result takes them."""
    source = inference(shop.source.artifact, Exit.BAD_INPUT)
    return on_the_same_image(source, result, data.validation), inference(result, Exit.FAILED)


def inference(artifact: Artifact, exit_code: Exit) -> Infer:
    """The model's inference; what a library refuses becomes an error with that exit code."""
    infer = _open(artifact).infer

    def run(arrays: Arrays) -> Mapping[str, Any]:
        try:
            return infer(arrays)
        except OptkitError:
            raise
        except Exception as error:  # whatever the library raises, it refused the sample
            given = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            raise OptkitError(
                f"{artifact.path.name} refuses a validation sample ({given}): {root_cause(error)}",
                "give samples that the model takes, or declare its inputs: --input",
                exit_code=exit_code,
            ) from error

    return run


def fed(infer: Infer, model: Artifact) -> Infer:
    """An inference on the source's inputs: as images, where the model prepares them itself."""
    if not model.preprocessing:
        return infer
    return lambda arrays: infer(raw_inputs(arrays, model.preprocessing))


def on_the_same_image(infer: Infer, model: Artifact, samples: Samples) -> Infer:
    """The source's inference, where samples were made up on values that an image can have.

    Samples that were given are the measure: that no image is prepared to them is to be seen.
    """
    if not model.preprocessing or samples.origin == "given":
        return infer
    steps = model.preprocessing
    return lambda arrays: infer(prepared_inputs(raw_inputs(arrays, steps), steps))
