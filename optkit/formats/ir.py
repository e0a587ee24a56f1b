"""OpenVINO IR: a graph in XML, its constants in a .bin file beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from optkit.core.artifact import Artifact
from optkit.core.contract import Summary
from optkit.core.errors import OptkitError, bad_input, root_cause
from optkit.core.signature import Dim, Signature, TensorSpec
from optkit.graphs import ir_graph as graphs
from optkit.graphs.ir_core import shared_core
from optkit.graphs.ir_names import canonical_names
from optkit.graphs.reading import implied_specs, unreadable

if TYPE_CHECKING:
    import openvino

FILE = "model.xml"
NEEDS = ("openvino",)

_DTYPES = {"f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
           "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8",
           "boolean": "bool"}  # fmt: skip


def recognise(path: Path) -> bool:
    """Whether the file is XML whose root is a `net` with a version."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if not file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return False
    try:
        _, root = next(ET.iterparse(path, events=("start",)))  # noqa: S314 - only its root
    except (ET.ParseError, StopIteration, ValueError):
        return False
    return root.tag == "net" and "version" in root.attrib


def files(path: Path) -> tuple[Path, ...]:
    """The .xml, and the .bin where constants need one.

    Raises:
        OptkitError: the .bin is missing or shorter than the constants in the .xml (bad input).
    """
    needed, weights = _needed(path), path.with_suffix(".bin")
    if needed == 0 and not weights.is_file():
        return (path,)
    if not weights.is_file():
        raise bad_input(
            f"'{path.name}': its weights '{weights.name}' are missing",
            f"copy '{weights.name}' beside it",
        )
    if (size := weights.stat().st_size) < needed:
        raise bad_input(
            f"'{weights.name}' is truncated: {size:,} bytes of {needed:,}",
            f"copy '{weights.name}' again",
        )
    return (path, weights)


def load(artifact: Artifact) -> openvino.Model:
    """The model, its constants mapped from the file.

    Raises:
        OptkitError: OpenVINO cannot read it (bad input).
    """
    files(artifact.path)
    try:
        return shared_core().read_model(artifact.path)
    except RuntimeError as error:
        raise unreadable(artifact.path, "OpenVINO IR", error) from error


def save(model: openvino.Model, path: Path, *, compress_to_fp16: bool = False) -> None:
    """Write a model; equal models give equal bytes, whatever the process did before.

    Raises:
        OSError: what was written is not whole, as on a full disk.
    """
    import openvino

    try:
        openvino.save_model(model, path, compress_to_fp16=compress_to_fp16)
        path.write_text(canonical_names(path.read_text(encoding="utf-8")), encoding="utf-8")
        needed = _needed(path)
    except (ET.ParseError, OptkitError, RuntimeError, ValueError) as error:
        raise OSError(f"cannot write '{path}': {root_cause(error)}; is the disk full?") from error
    weights = path.with_suffix(".bin")
    if needed and (not weights.is_file() or weights.stat().st_size < needed):
        raise OSError(f"'{weights}' was not written whole; is the disk full?")


def signature(artifact: Artifact) -> Signature:
    """Inputs and outputs by tensor name, or by the operation's name where it has none."""
    model = load(artifact)
    return Signature(
        tuple(_spec(port, port.get_node()) for port in model.inputs),
        tuple(_spec(port, port.get_node().input_value(0).get_node()) for port in model.outputs),
    )


def implied(artifact: Artifact) -> dict[str, str]:
    """A paste-ready `--input` for each input with dynamic dimensions."""
    return implied_specs(signature(artifact))


def summary(artifact: Artifact) -> Summary:
    """Counts over the graph and its bodies, without constants, parameters and results."""
    model = load(artifact)
    kinds = (node.get_type_name() for node in graphs.walk(model))
    return Summary(
        operations=dict(Counter(k for k in kinds if k not in {"Constant", "Parameter", "Result"})),
        parameters=graphs.parameters(model),
        flops=graphs.flops(_static(model, artifact.signature)),
        weighted=graphs.weighted(model),
    )


def index_bounds(artifact: Artifact) -> dict[str, int]:
    """Rows of the smallest constant table that each integer input gathers from."""
    model = load(artifact)
    names = {port.get_node().get_friendly_name(): _name(port, port.get_node())
             for port in model.inputs}  # fmt: skip
    return {names[node]: rows for node, rows in graphs.index_bounds(model).items()}


def _spec(port: Any, node: Any) -> TensorSpec:
    shape = port.get_partial_shape()
    dims = None if shape.rank.is_dynamic else tuple(_dim(dim) for dim in shape)
    return TensorSpec(_name(port, node), dims, _DTYPES.get(port.get_element_type().get_type_name()))


def _name(port: Any, node: Any) -> str:
    names = sorted(port.get_names(), key=lambda name: (name.isdigit(), len(name), name))
    return str(names[0] if names else node.get_friendly_name())


def _dim(dim: Any) -> int | Dim:
    if dim.is_static:
        return int(dim.get_length())
    low, high = dim.get_min_length(), dim.get_max_length()
    return Dim(max(1, low), None if high < 0 or high >= 2**31 - 1 else high)


def _static(model: openvino.Model, face: Signature) -> openvino.Model:
    """The model at the least sizes of its signature; itself where those do not fit it."""
    if not model.is_dynamic() or any(spec.shape is None for spec in face.inputs):
        return model
    clone = model.clone()
    sizes = [[d.low if isinstance(d, Dim) else d for d in spec.shape or ()] for spec in face.inputs]
    try:
        clone.reshape(dict(zip(clone.inputs, sizes, strict=True)))
    except (RuntimeError, ValueError):
        return model
    return clone


def _needed(path: Path) -> int:
    """Bytes of .bin that the constants in the .xml refer to."""
    at = path.stat()
    return _extent(path, (at.st_ino, at.st_size, at.st_mtime_ns))


@lru_cache(maxsize=64)
def _extent(path: Path, _stamp: tuple[int, ...]) -> int:
    try:
        return max(_ends(path), default=0)
    except ET.ParseError as error:
        raise unreadable(path, "OpenVINO IR", error) from error


def _ends(path: Path) -> Iterator[int]:
    for _, element in ET.iterparse(path):  # noqa: S314 - expat bounds what entities grow to
        if element.tag == "data" and "offset" in element.attrib and "size" in element.attrib:
            yield int(element.attrib["offset"]) + int(element.attrib["size"])
        element.clear()
