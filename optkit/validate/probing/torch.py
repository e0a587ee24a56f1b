"""Looks into what PyTorch runs: graphs with other outputs, or networks with hooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optkit.core.artifact import Artifact
from optkit.core.tensors import Tensor, input_key
from optkit.validate.probing import Probe

if TYPE_CHECKING:
    import numpy as np

    from optkit.validate.probing import Arrays, Infer


def probe(artifact: Artifact, example: Arrays) -> Probe:
    """Its tensors, by graph where there is one, else by what its layers return."""
    if artifact.format == "torchscript":
        return _script(artifact)
    if artifact.format == "exported":
        return _program(artifact)
    return _network(artifact, example)


def _script(artifact: Artifact) -> Probe:
    import torch

    from optkit.formats import torchscript
    from optkit.graphs.torchscript_tensors import returned, tapped, tensors

    network = torchscript.load(artifact)
    graph = network.inlined_graph
    arguments = network._c._get_method("forward").schema.arguments[1:]
    found = tensors(graph, [argument.name for argument in arguments])

    def opened(keys: Sequence[str]) -> Infer:
        call = torch._C._create_function_from_graph("look", tapped(graph, keys))

        def infer(arrays: Arrays) -> Mapping[str, np.ndarray]:
            given = [
                torch.from_numpy(arrays[argument.name])
                if argument.name in arrays
                else argument.default_value
                for argument in arguments
            ]
            with torch.inference_mode():
                return dict(_floating(keys, call(network._c, *given)))

        return infer

    faces = (spec.name for spec in artifact.signature.outputs)
    return Probe(found, dict(zip(faces, returned(graph), strict=False)), opened)


def _program(artifact: Artifact) -> Probe:
    import torch

    from optkit.formats import exported
    from optkit.graphs.exported_tensors import tensors

    program = exported.load(artifact)
    specs = [spec.arg for spec in program.graph_signature.input_specs
             if spec.kind.name == "USER_INPUT"]  # fmt: skip
    network = program.module()
    entries = [node.name for node in network.graph.nodes if node.op == "placeholder"]
    names = [spec.name for spec in artifact.signature.inputs]
    fed = [name for name, spec in zip(entries, specs, strict=True) if not hasattr(spec, "value")]
    found = tensors(network.graph, dict(zip(fed, names, strict=True)))
    (end,) = network.graph.find_nodes(op="output")
    returned = [getattr(node, "name", "") for node in end.args[0]]
    faces = [spec.name for spec in artifact.signature.outputs]

    def opened(keys: Sequence[str]) -> Infer:
        kept: dict[str, Any] = {}

        class Looking(torch.fx.Interpreter):  # type: ignore[misc]
            def run_node(self, n: Any) -> Any:
                value = super().run_node(n)
                if n.name in keys:  # what writes into it later must not show
                    kept[n.name] = value.clone()
                return value

        def infer(arrays: Arrays) -> Mapping[str, np.ndarray]:
            left = iter([torch.from_numpy(arrays[name]) for name in names])
            flat = [spec.value if hasattr(spec, "value") else next(left) for spec in specs]
            with torch.inference_mode():
                Looking(network).run(*flat, enable_io_processing=False)
            return dict(_floating(keys, [kept.pop(key) for key in keys]))

        return infer

    return Probe(found, dict(zip(faces, returned, strict=False)), opened)


def _network(artifact: Artifact, example: Arrays) -> Probe:
    from optkit.formats import module as reader

    network = reader.load(artifact)
    names = [spec.name for spec in artifact.signature.inputs]
    found = _layers(network, [example[name] for name in names], names)

    def opened(keys: Sequence[str]) -> Infer:
        def infer(arrays: Arrays) -> Mapping[str, np.ndarray]:
            kept: dict[str, Any] = {}

            def keep(key: str, value: Any, _: Any) -> None:
                if key in keys:
                    kept[key] = value.clone()

            _run(network, [arrays[name] for name in names], keep)
            return dict(_floating(list(kept), list(kept.values())))

        return infer

    return Probe(found, {}, opened)


def _layers(network: Any, inputs: Sequence[np.ndarray], names: Sequence[str]) -> tuple[Tensor, ...]:
    """What layers return, in the order they do; what they took tells where it comes from."""
    import weakref

    found: list[Tensor] = []
    alive: list[tuple[Any, str]] = []
    kinds = dict(network.named_modules())

    def note(key: str, value: Any, given: Any) -> None:
        if not value.is_floating_point() or any(ref() is value for ref, _ in alive):
            return
        behind = [name for ref, name in alive if any(ref() is item for item in given)]
        if not behind:  # computed between the layers
            behind = [found[-1].key] if found else [input_key(name) for name in names]
        path = key.partition("#")[0]
        kind = type(kinds[path]).__name__
        found.append(Tensor(key, (key,), kind, tuple(behind), path))
        alive[:] = [(ref, name) for ref, name in alive if ref() is not None]
        alive.append((weakref.ref(value), key))

    _run(network, inputs, note)
    return tuple(found)


def _run(network: Any, inputs: Sequence[np.ndarray], tell: Any) -> None:
    """One inference; `tell(key, value, what the layer took)` of each tensor a layer returns."""
    import torch

    calls: dict[str, int] = {}

    def hook(path: str) -> Any:
        def told(_: Any, given: Any, result: Any) -> None:
            number = calls[path] = calls.get(path, -1) + 1
            for place, value in enumerate(_tensors(result)):
                mark = "".join(f"#{n}" for n in (number, place) if n)
                tell(f"{path}{mark}", value, list(_tensors(given)))

        return told

    hooks = [
        layer.register_forward_hook(hook(path)) for path, layer in network.named_modules() if path
    ]
    try:
        with torch.inference_mode():
            network(*[torch.from_numpy(array) for array in inputs])
    finally:
        for one in hooks:
            one.remove()


def _tensors(value: Any) -> Iterator[Any]:
    if hasattr(value, "is_floating_point"):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _floating(keys: Sequence[str], values: Sequence[Any]) -> Iterator[tuple[str, np.ndarray]]:
    for key, value in zip(keys, values, strict=True):
        if value.is_floating_point():
            yield key, (value if value.element_size() >= 4 else value.float()).cpu().numpy()
