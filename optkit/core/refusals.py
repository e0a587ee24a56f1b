"""What runtimes refuse alike, in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optkit.core.artifact import Artifact
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.settings import DEFAULT, Settings
from optkit.core.signature import Dim, Shape

_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "allocate memory",
    "failed to allocate",
    "unable to allocate",
)


def check_word(runtime: str, field: str, word: str | None, known: Iterable[str]) -> None:
    """Refuse a word that a runtime does not have for a setting; None is no word.

    Raises:
        OptkitError: it is not among `known` (bad input, with what is).
    """
    words = tuple(known)
    if word is not None and word not in words:
        raise bad_input(f"{runtime} has no {field} '{word}' here", f"one of {', '.join(words)}")


def check_foreign(runtime: str, settings: Settings, *fields: str) -> None:
    """Refuse settings that a runtime does not have at all.

    Raises:
        OptkitError: one of them was chosen (bad input).
    """
    for field in fields:
        if getattr(settings, field) != getattr(DEFAULT, field):
            raise bad_input(f"{runtime} has no setting {field}", f"leave {field} out")


def check_counts(settings: Settings) -> None:
    """Refuse a number of threads, streams, inferences or repetitions below one.

    Raises:
        OptkitError: one is (bad input).
    """
    for field in ("streams", "threads", "nireq", "batch"):
        count = getattr(settings, field)
        if count is not None and count < 1:
            raise bad_input(f"{field} is {count}", "give 1 or more, or leave it out")


def check_batch(artifact: Artifact, shapes: Mapping[str, Shape | None], batch: int) -> None:
    """Refuse a batch that a model cannot take.

    Args:
        artifact: the model.
        shapes: of each input, as the model itself holds it; None where it does not tell.
        batch: how often the inputs are repeated along axis 0.

    Raises:
        OptkitError: the batch axis of an input has a fixed size, or too small a range (bad input).
    """
    if batch == 1:
        return
    for name, shape in shapes.items():
        if not shape:  # a scalar is fed as it is
            continue
        first, *rest = shape
        if isinstance(first, Dim) and (first.high is None or first.low * batch <= first.high):
            continue
        low = first.low if isinstance(first, Dim) else first
        wanted = ",".join(map(str, (f"{low}..{low * batch}", *rest)))
        raise bad_input(
            f"{artifact.path.name} cannot run with batch {batch}: its input '{name}' holds {first} "
            "along its batch axis",
            f"leave batch at 1, or convert the source with --input {name}={wanted}",
        )


def does_not_load(
    runtime: str, artifact: Artifact, settings: Settings, error: Exception
) -> OptkitError:
    """The error for a model that a runtime or its device does not take.

    An `OptkitError` keeps its words, unless memory was lacking.
    """
    name, device = artifact.path.name, settings.device
    cause = root_cause(error)
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in _OUT_OF_MEMORY):
        return OptkitError(
            f"{name} does not fit into the memory of {device} in {runtime}: {cause}",
            "use fewer streams, a smaller batch, or a smaller model: --precision int8",
        )
    if isinstance(error, OptkitError):  # a new one: none may be its own cause
        return OptkitError(error.message, error.hint, exit_code=error.exit_code)
    return OptkitError(
        f"{runtime} cannot load {name} on {device}: {cause}",
        f"look at the model: optkit inspect {artifact.path}",
    )
