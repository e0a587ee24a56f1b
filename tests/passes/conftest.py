"""`apply`: one pass on one small model, with the checks that every pass must stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optkit.catalogue import find_format, find_pass, runtime_of
from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Outcome
from optkit.core.hashing import files_digest
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Signature, TensorSpec
from optkit.data.synthesise import synthesise
from optkit.engine.edit import edit_graph


@dataclass(frozen=True)
class Applied:
    """What a pass made of a model.

    Attributes:
        outcome: what the pass said.
        artifact: its result; the input itself where nothing changed.
        before: operation counts of the input.
        after: operation counts of the result.
        cosine: by output, the least over two sizes of the dynamic dimensions.
    """

    outcome: Outcome
    artifact: Artifact
    before: Mapping[str, int]
    after: Mapping[str, int]
    cosine: Mapping[str, float]


Apply = Callable[..., Applied]


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    """Run a pass on a model and check its contract.

    Checked: the input's files are untouched, the result has the declared format, inputs and outputs
    keep names, order, ranks and dtypes, and the outputs stay within `cosine` of those of the input,
    both run by their own runtimes; with `twice`, that the same input gives the same bytes.
    The run's `source` is the model itself unless given.
    """

    def run(
        name: str,
        given: Artifact,
        *,
        cosine: float = 0.99999,
        twice: bool = False,
        samples: Samples | None = None,
        source: Artifact | None = None,
        **options: Any,
    ) -> Applied:
        item = find_pass(name)
        checked = item.options.model_validate(options)
        given = replace(given, signature=_whole(given))
        before = files_digest(given.files, given.path.parent)
        outcome = item.run(given, checked, _context(given, tmp_path / f"{name}-1", samples, source))
        assert files_digest(given.files, given.path.parent) == before, "the input was changed"
        old = find_format(given.format).summary(given).operations
        if outcome.path is None:
            assert outcome.reason, "nothing changed, and no word why"
            return Applied(outcome, given, old, old, {})
        made = _artifact(item.gives or given.format, outcome.path, given)
        if twice:
            again = item.run(
                given, checked, _context(given, tmp_path / f"{name}-2", samples, source)
            )
            twin = _artifact(made.format, again.path, given)
            assert made.digest == twin.digest, "the same input gave other bytes"
        _same_face(outcome.signature or given.signature, made)
        likeness = _cosines(given, made)
        assert min(likeness.values()) >= cosine, likeness
        new = find_format(made.format).summary(made).operations
        return Applied(outcome, made, old, new, likeness)

    return run


def _whole(artifact: Artifact) -> Any:
    """The signature with the outputs that a run shows, as the engine completes it."""
    found = [_run(artifact, variant) for variant in (0, 1)]
    dims = {
        name: tuple(
            first if first == second else _dynamic()
            for first, second in zip(array.shape, found[1][name].shape, strict=True)
        )
        for name, array in found[0].items()
    }
    outputs = tuple(TensorSpec(n, dims[n], str(array.dtype)) for n, array in found[0].items())
    return replace(artifact.signature, outputs=outputs)


def _dynamic() -> Any:
    from optkit.core.signature import Dim

    return Dim()


def _context(
    artifact: Artifact, folder: Path, samples: Samples | None, source: Artifact | None
) -> Context:
    output, scratch = folder / "output", folder / "scratch"
    output.mkdir(parents=True)
    scratch.mkdir()
    bounds = find_format(artifact.format).index_bounds(artifact)
    inputs = artifact.signature.inputs
    return Context(
        source=source or artifact,
        output=output,
        scratch=scratch,
        samples=lambda: samples or synthesise(inputs, 16, 0, bounds),
        example=lambda variant: synthesise(inputs, variant + 1, 0, bounds, variant=variant).read(
            variant
        ),
        seed=0,
        progress=lambda done, total: None,
        edit=lambda given, rewrite: edit_graph(given, rewrite, output),
    )


def _artifact(format_name: str, path: Path, given: Artifact) -> Artifact:
    format_ = find_format(format_name)
    assert format_.recognise(path), f"no {format_name} model was written"
    assert path.name == format_.FILE
    files = format_.files(path)
    size = sum(file.stat().st_size for file in files)
    digest = files_digest(files, path.parent)
    return Artifact(format_name, path, files, given.signature, digest, size)


def _same_face(expected: Signature, made: Artifact) -> None:
    found = find_format(made.format).signature(made)
    for side in ("inputs", "outputs"):
        wanted, got = getattr(expected, side), getattr(found, side)
        assert [spec.name for spec in got] == [spec.name for spec in wanted]
        for want, have in zip(wanted, got, strict=True):
            if have.shape is not None:  # TorchScript tells none
                assert len(have.shape) == len(want.shape)
                assert have.dtype == want.dtype


def _cosines(given: Artifact, made: Artifact) -> dict[str, float]:
    worst: dict[str, float] = {}
    bounds = find_format(given.format).index_bounds(given)
    for variant in (0, 1):
        expected, found = _run(given, variant, bounds), _run(made, variant, bounds)
        assert list(found) == list(expected)
        for name, want in expected.items():
            a, b = want.astype("f8").ravel(), found[name].astype("f8").ravel()
            assert a.shape == b.shape
            assert np.ptp(a) > 0, f"'{name}' is constant: agreement would prove nothing"
            value = float(a @ b / np.sqrt((a @ a) * (b @ b)))
            worst[name] = min(value, worst.get(name, 1.0))
    return worst


def _run(
    artifact: Artifact, variant: int, bounds: Mapping[str, int] | None = None
) -> dict[str, np.ndarray]:
    found = runtime_of(artifact.format)
    assert found is not None
    if bounds is None:
        bounds = find_format(artifact.format).index_bounds(artifact)
    samples = synthesise(artifact.signature.inputs, 1, 7 + variant, bounds, variant=variant)
    session = found[1].open_session(artifact, Settings())
    return session.infer(samples.read(0))
