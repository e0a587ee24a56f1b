"""The source model: what it is, what goes in, and that it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.catalogue import find_format, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.code import code_digest, own_code
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.hashing import digest, files_digest
from optkit.core.settings import Settings
from optkit.core.signature import (
    Dim,
    Shape,
    Signature,
    TensorSpec,
    declare,
    parse_input,
    signature_from_json,
    signature_to_json,
    spec_from_json,
    spec_to_json,
)
from optkit.core.store import Store
from optkit.core.trust import search_path
from optkit.core.versions import versions
from optkit.engine.recognise import recognise

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


_MOST_VALUES = 2**31


@dataclass(frozen=True)
class Source:
    """The model that a run starts from, proven to run.

    Attributes:
        artifact: the model with its whole signature.
        index_bounds: for each integer input that indexes a table, the rows of that table.
        example: one legal input; another number gives other values, and another legal size of
            dynamic dimensions.
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
    weights_will_do: bool = False,
) -> Artifact:
    """Recognise a model file and read its signature, with the declared inputs laid over it.

    Args:
        path: the model's main file.
        store: remembers signatures, so that an unchanged file is not loaded again.
        inputs: what the user declared.
        factory: builds the network for weights without a graph.
        trusted: whether the model's own code may run.
        root: where the factory is looked for, before the current folder; the model's folder if
            None.
        weights_will_do: weights without a network are welcome: nothing is to be run.

    Raises:
        OptkitError: bad input: no such file, no model, untrusted code.
    """
    format_name = recognise(path)
    format_ = find_format(format_name)
    if format_name == "module":
        from optkit.formats import module

        refused = module.refusal(path, factory, trusted=trusted)
        if refused and not (weights_will_do and not factory and module.holds_weights(path)):
            raise refused
    elif factory:
        raise bad_input(
            f"{path.name} holds a whole network ({format_name}): nothing is left for the factory "
            f"'{factory}' to build",
            "leave the factory out",
        )
    files = format_.files(path)
    content = files_digest(files, path.parent)
    if factory:
        code = code_digest(factory.partition(":")[0], *search_path(root or path.parent))
        content = digest([content, factory, code])
    elif format_name == "module":
        content = digest([content, _pickled_code(path, root or path.parent)])
    artifact = Artifact(
        format_name,
        path,
        files,
        Signature(),
        content,
        sum(file.stat().st_size for file in files),
        factory=factory,
        trusted=trusted,
        root=root or path.parent,
    )
    found = store.fact(
        about(artifact, "signature"), lambda: signature_to_json(format_.signature(artifact))
    )
    return replace(artifact, signature=declare(signature_from_json(found), tuple(inputs)))


def prove(artifact: Artifact, store: Store, seed: int) -> Source:
    """Run the source once on its declared inputs; its outputs complete the signature.

    A dynamic dimension is tried at two sizes. The outcome is remembered.

    Raises:
        OptkitError: bad input: an input of unknown shape, or the model refuses its inputs.
    """
    artifact = _completed(artifact)
    bounds = store.fact(
        about(artifact, "index bounds"),
        lambda: find_format(artifact.format).index_bounds(artifact),
    )

    def example(variant: int) -> Arrays:
        from optkit.data.synthesise import synthesise

        inputs = artifact.signature.inputs
        return synthesise(inputs, variant + 1, seed, bounds, variant=variant).read(variant)

    _require_room(artifact)
    inputs = [spec_to_json(spec) for spec in artifact.signature.inputs]
    outputs = store.fact(
        {**about(artifact, "outputs"), "inputs": inputs, "seed": seed},
        lambda: [spec_to_json(spec) for spec in _run(artifact, example)],
    )
    # A session gives float32 for any floating output; the file knows better.
    told = {spec.name: spec.dtype for spec in artifact.signature.outputs}
    found = (spec_from_json(spec) for spec in outputs)
    signature = replace(
        artifact.signature,
        outputs=tuple(replace(spec, dtype=told.get(spec.name) or spec.dtype) for spec in found),
    )
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


def _pickled_code(path: Path, root: Path) -> list[str]:
    """Digests of the modules that a pickled network is built from; torch has a version instead."""
    from optkit.graphs.pickles import pickled_classes

    modules = {name.rpartition(".")[0] for name in pickled_classes(path)}
    own = sorted(name for name in modules if name.partition(".")[0] not in {"torch", "builtins"})
    return [code_digest(name, *search_path(root)) for name in own]


def _completed(artifact: Artifact) -> Artifact:
    """The artifact with the dtypes that nobody told, as the file implies them.

    Raises:
        OptkitError: an input of unknown shape (bad input, with a line ready to paste).
    """
    inputs = artifact.signature.inputs
    if all(spec.known for spec in inputs):
        return artifact
    guess = find_format(artifact.format).implied(artifact)
    if unknown := [spec.name for spec in inputs if spec.shape is None]:
        line = " ".join(f"--input {guess.get(name, name + '=1,...')}" for name in unknown)
        names = ", ".join(f"'{name}'" for name in unknown)
        raise bad_input(
            f"{artifact.path.name} does not tell the shape of {names}",
            f"declare it, for example: {line}",
        )
    implied = {name: parse_input(line).dtype for name, line in guess.items()}
    known = (replace(spec, dtype=spec.dtype or implied.get(spec.name)) for spec in inputs)
    return replace(artifact, signature=replace(artifact.signature, inputs=tuple(known)))


def _require_room(artifact: Artifact) -> None:
    """Refuse an input that no memory could hold: a slip of the finger, not a wish."""
    for spec in artifact.signature.inputs:
        sizes = (dim.low if isinstance(dim, Dim) else dim for dim in spec.shape or ())
        if prod(sizes) > _MOST_VALUES:
            raise bad_input(
                f"input '{spec.name}' is too large: {spec}",
                f"declare fewer than {_MOST_VALUES:,} values",
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
            given = ", ".join(
                f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()
            )
            raise bad_input(
                f"{artifact.path.name} refuses its input ({given}): {root_cause(error)}",
                f"declare what it takes, for example: {_usual(artifact)}",
            ) from error
    return [
        TensorSpec(name, _common([result[name].shape for result in results]), str(array.dtype))
        for name, array in results[0].items()
    ]


def _usual(artifact: Artifact) -> str:
    """The inputs as `--input` lines, as the file tells or implies them."""
    format_ = find_format(artifact.format)
    guess = format_.implied(artifact)
    return " ".join(
        f"--input {guess.get(spec.name, str(spec))}" for spec in format_.signature(artifact).inputs
    )


def _common(shapes: list[tuple[int, ...]]) -> Shape:
    """The dimensions that all sizes share; those that vary are dynamic."""
    if len({len(shape) for shape in shapes}) > 1:
        raise bad_input(
            "the rank of an output varies with the input's size", "fix the input's size"
        )
    return tuple(sizes[0] if len(set(sizes)) == 1 else Dim() for sizes in zip(*shapes, strict=True))
