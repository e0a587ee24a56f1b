"""ExportedProgram: a graph of ATen operators, as torch.export.save writes it."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.contract import Summary
from optkit.core.errors import bad_input
from optkit.core.signature import DTYPES, Dim, Signature, TensorSpec
from optkit.graphs import exported_graph as graphs
from optkit.graphs.exported_containers import containers, stand_in
from optkit.graphs.exported_trust import hazards
from optkit.graphs.reading import implied_specs, unreadable, zip_members
from optkit.graphs.torch_outputs import child, spec_keys, spec_names

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FILE = "model.pt2"
NEEDS = ("torch",)


def recognise(path: Path) -> bool:
    """Whether `path` is a zip archive of an exported program."""
    members = zip_members(path)
    return "archive_format" in members and any(
        re.fullmatch(r"models/[^/]+\.json", name) for name in members
    )


def files(path: Path) -> tuple[Path, ...]:
    """The archive alone."""
    return (path,)


def load(artifact: Artifact) -> ExportedProgram:
    """The program on the CPU.

    Raises:
        OptkitError: it is damaged, would run code of its own without `--trust-code`, or returns a
            class that is not at hand (bad input).
    """
    import torch

    path = artifact.path
    try:
        _allow(path, trusted=artifact.trusted)
        with _quiet("torch.export"):
            return torch.export.load(path)
    except (OSError, RuntimeError, ValueError, KeyError, AssertionError, NotImplementedError,
            TypeError, AttributeError) as error:  # fmt: skip
        raise unreadable(path, "an exported program", error) from error


def save(program: ExportedProgram, path: Path) -> None:
    """Write a program."""
    import torch

    torch.export.save(program, path)


def signature(artifact: Artifact) -> Signature:
    """Inputs, positional ones first, and outputs, named after their parameters and keys."""
    program = load(artifact)
    names = list(_input_names(program))
    return Signature(
        _specs(program, names, [item.arg.name for item in _user(program, "input")]),
        _specs(
            program,
            spec_names(program.call_spec.out_spec),
            [getattr(item.arg, "name", None) for item in _user(program, "output")],
        ),
    )


def implied(artifact: Artifact) -> dict[str, str]:
    """A paste-ready `--input` for each input with dynamic dimensions."""
    return implied_specs(signature(artifact))


def summary(artifact: Artifact) -> Summary:
    """Counts over the program's graph."""
    program = load(artifact)
    return Summary(
        operations=dict(graphs.operations(program.graph)),
        parameters=sum(tensor.numel() for tensor in program.parameters()),
        flops=graphs.flops(program.graph),
        weighted=graphs.weighted(program.graph, _weights(program)),
    )


def index_bounds(artifact: Artifact) -> dict[str, int]:
    """Rows of the smallest embedding table that each integer input indexes."""
    program = load(artifact)
    bounds = graphs.index_bounds(program.graph, _weights(program))
    nodes = [item.arg.name for item in _user(program, "input")]
    named = zip(_input_names(program), nodes, strict=True)
    return {name: bounds[node] for name, node in named if node in bounds}


def _allow(path: Path, *, trusted: bool) -> None:
    """Refuse what would run code, or cannot be rebuilt for want of a class."""
    if not trusted and (found := hazards(path)):
        raise bad_input(
            f"'{path.name}' would run code of its own while loading: {found[0]}",
            "if you trust this model, add --trust-code",
        )
    classes = containers(path)
    if trusted:
        for name in classes:
            with suppress(ImportError):
                importlib.import_module(name.rpartition(".")[0])
    from torch.utils import _pytree

    for name, keyed in classes.items():
        if name in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
            continue
        if not keyed:
            raise bad_input(
                f"'{path.name}' takes or returns a {name}, which this process does not know",
                "export the network with a dict or tuple instead",
            )
        stand_in(name)


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Hold back a library's tracebacks: the error that follows says it."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _user(program: ExportedProgram, side: str) -> list[Any]:
    specs = getattr(program.graph_signature, f"{side}_specs")
    return [item for item in specs if item.kind.name == f"USER_{side.upper()}"]


def _input_names(program: ExportedProgram) -> Iterator[str]:
    """One name per leaf of the inputs: the parameter's, joined with keys of containers."""
    positional, keywords = program.call_spec.in_spec.children()
    call = program.module_call_graph[0].signature
    order = list((call.forward_arg_names if call else None) or ())
    for index, spec in enumerate(positional.children()):
        name = order[index] if index < len(order) else f"input_{index}"
        yield from _below(spec, name)
    for name, spec in zip(spec_keys(keywords) or (), keywords.children(), strict=True):
        yield from _below(spec, str(name))


def _below(spec: Any, prefix: str) -> list[str]:
    if spec.is_leaf():
        return [prefix]
    keys = spec_keys(spec)
    return [
        leaf
        for index, item in enumerate(spec.children())
        for leaf in _below(item, child(prefix, index if keys is None else keys[index],
                                       numbered=keys is None))
    ]  # fmt: skip


def _specs(
    program: ExportedProgram, names: list[str], nodes: list[str | None]
) -> tuple[TensorSpec, ...]:
    """The tensors among named graph values; None and numbers are left out."""
    values: dict[str, Any] = {node.name: node.meta.get("val") for node in program.graph.nodes}
    pairs: list[tuple[str, Any]] = [
        (name, values.get(node or "")) for name, node in zip(names, nodes, strict=True)
    ]
    return tuple(
        TensorSpec(name, tuple(_dim(program, dim) for dim in value.shape), _dtype(value))
        for name, value in pairs
        if hasattr(value, "dtype")
    )


def _dtype(value: Any) -> str | None:
    word = str(value.dtype).removeprefix("torch.")
    return word if word in DTYPES else None


def _dim(program: ExportedProgram, dim: Any) -> int | Dim:
    if isinstance(dim, int):
        return dim
    from torch.utils._sympy.value_ranges import bound_sympy

    bounds = bound_sympy(dim.node.expr, program.range_constraints)
    return Dim(max(1, _whole(bounds.lower) or 1), _whole(bounds.upper))


def _whole(bound: Any) -> int | None:
    """A bound as a number; None for infinity, which torch writes in several ways."""
    return int(bound) if bound.is_Integer and bound < 2**62 else None


def _weights(program: ExportedProgram) -> frozenset[str]:
    face = program.graph_signature
    return frozenset({
        *face.inputs_to_parameters, *face.inputs_to_buffers,
        *face.inputs_to_lifted_tensor_constants,
    })  # fmt: skip
