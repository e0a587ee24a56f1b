"""The source model: what it is, what goes in, and that it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.catalogue import find_format, format_names, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.code import code_digest, own_code
from optkit.core.contract import Settings
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.hashing import digest, files_digest
from optkit.core.signature import (
    Dim,
    Shape,
    Signature,
    TensorSpec,
    declare,
    signature_from_json,
    signature_to_json,
    spec_from_json,
    spec_to_json,
)
from optkit.core.store import Store
from optkit.core.versions import versions

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """The model that a run starts from, proven to run.

    Attributes:
        artifact: the model with its whole signature.
        index_bounds: for each integer input that indexes a table, the rows of that table.
        example: one legal input; another number gives another legal size of dynamic dimensions.
    """

    artifact: Artifact
    index_bounds: Mapping[str, int]
    example: Callable[[int], Arrays]


def read_model(
    path: Path,
    store: Store,
    *,
    inputs: Sequence[TensorSpec] = (),
    factory: str | None = None,
    trusted: bool = False,
    root: Path | None = None,
) -> Artifact:
    """Recognise a model file and read its signature, with the declared inputs laid over it.

    Args:
        path: the model's main file.
        store: remembers signatures, so that an unchanged file is not loaded again.
        inputs: what the user declared.
        factory: builds the network for weights without a graph.
        trusted: whether the model's own code may run.
        root: where the factory is looked for first; the model's folder if None.

    Raises:
        OptkitError: bad input: no such file, no model, untrusted code.
    """
    format_name = recognise(path)
    format_ = find_format(format_name)
    if format_name == "module":
        from optkit.formats import module

        if refused := module.refusal(path, factory, trusted=trusted):
            raise refused
    files = format_.files(path)
    content = files_digest(files, path.parent)
    if factory:
        code = code_digest(factory.partition(":")[0], root or path.parent)
        content = digest([content, factory, code])
    artifact = Artifact(
        format_name,
        path,
        files,
        Signature(),
        content,
        sum(file.stat().st_size for file in files),
        factory=factory,
        trusted=trusted,
    )
    found = store.fact(
        about(artifact, "signature"), lambda: signature_to_json(format_.signature(artifact))
    )
    return replace(artifact, signature=declare(signature_from_json(found), tuple(inputs)))


def recognise(path: Path) -> str:
    """The format of a model file, told by its content.

    Raises:
        OptkitError: bad input: missing, empty, a folder, or no model.
    """
    if not path.exists():
        raise bad_input(f"no such model: {path}", "check the path")
    for name in format_names():
        if find_format(name).recognise(path):
            return name
    if path.is_dir():
        raise bad_input(f"{path} is a folder, not a model", "name the model file in it")
    if path.stat().st_size == 0:
        raise bad_input(f"{path} is empty", "write the model again")
    raise bad_input(
        f"{path} is no model that optkit reads, or it is truncated",
        f"formats: {', '.join(format_names())}; check that the file was copied whole",
    )


def prove(artifact: Artifact, store: Store, seed: int) -> Source:
    """Run the source once on its declared inputs; its outputs complete the signature.

    A dynamic dimension is tried at two sizes. The outcome is remembered.

    Raises:
        OptkitError: bad input: an input of unknown shape, or the model refuses its inputs.
    """
    _require_known(artifact)
    bounds = store.fact(
        about(artifact, "index bounds"),
        lambda: find_format(artifact.format).index_bounds(artifact),
    )

    def example(variant: int) -> Arrays:
        from optkit.data.synthesise import synthesise

        inputs = artifact.signature.inputs
        return synthesise(inputs, 1, seed, bounds, variant=variant).read(0)

    inputs = [spec_to_json(spec) for spec in artifact.signature.inputs]
    outputs = store.fact(
        {**about(artifact, "outputs"), "inputs": inputs, "seed": seed},
        lambda: [spec_to_json(spec) for spec in _run(artifact, example)],
    )
    signature = replace(artifact.signature, outputs=tuple(map(spec_from_json, outputs)))
    return Source(replace(artifact, signature=signature), bounds, example)


def about(artifact: Artifact, question: str) -> dict[str, Any]:
    """All that a remembered answer about a model hangs on; the key to ask the store with."""
    needs = find_format(artifact.format).NEEDS
    return {
        "question": question,
        "format": artifact.format,
        "digest": artifact.digest,
        "versions": versions(needs),
        "code": own_code(f"optkit.formats.{artifact.format}"),
    }


def _require_known(artifact: Artifact) -> None:
    unknown = [spec for spec in artifact.signature.inputs if not spec.known]
    if not unknown:
        return
    guess = find_format(artifact.format).implied(artifact)
    line = " ".join(f"--input {guess.get(spec.name, spec.name + '=1,...')}" for spec in unknown)
    names = ", ".join(f"'{spec.name}'" for spec in unknown)
    raise bad_input(
        f"{artifact.path.name} does not tell the shape and dtype of {names}",
        f"declare it, for example: {line}",
    )


def _run(artifact: Artifact, example: Callable[[int], Arrays]) -> list[TensorSpec]:
    found = runtime_of(artifact.format)
    if found is None:
        raise bad_input(
            f"nothing here runs {artifact.format} models", "convert from another format"
        )
    session = found[1].open_session(artifact, Settings())
    dynamic = any(spec.dynamic for spec in artifact.signature.inputs)
    results = []
    for variant in (0, 1) if dynamic else (0,):
        arrays = example(variant)
        try:
            results.append(session.infer(arrays))
        except OptkitError:
            raise
        except Exception as error:  # whatever the library raises, it refused the input
            given = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            raise bad_input(
                f"{artifact.path.name} refuses the declared inputs ({given}): {root_cause(error)}",
                "declare what it takes: "
                + " ".join(f"--input {s}" for s in artifact.signature.inputs),
            ) from error
    return [
        TensorSpec(name, _common([result[name].shape for result in results]), str(array.dtype))
        for name, array in results[0].items()
    ]


def _common(shapes: list[tuple[int, ...]]) -> Shape:
    """The dimensions that all sizes share; those that vary are dynamic."""
    if len({len(shape) for shape in shapes}) > 1:
        raise bad_input(
            "the rank of an output varies with the input's size", "fix the input's size"
        )
    return tuple(sizes[0] if len(set(sizes)) == 1 else Dim() for sizes in zip(*shapes, strict=True))
