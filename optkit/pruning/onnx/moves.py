"""ONNX operations in torch: those that move values, join and split them."""

from __future__ import annotations

from typing import Any

from optkit.pruning.onnx.given import Attributes, Operation, as_tensor, refuse
from optkit.pruning.onnx.shapes import listed


def _reshape(attributes: Attributes, x: Any, shape: Any) -> Any:
    sizes = listed(shape)
    if not attributes.get("allowzero", 0):
        sizes = [
            x.shape[at] if isinstance(size, int) and size == 0 else size
            for at, size in enumerate(sizes)
        ]
    return x.reshape(sizes)


def _flatten(attributes: Attributes, x: Any) -> Any:
    at = attributes.get("axis", 1)
    if at == 1:
        return x.flatten(1)
    at = at + x.dim() if at < 0 else at
    return x.flatten(at).flatten(0, at - 1) if at else x.reshape(1, -1)


def _transpose(attributes: Attributes, x: Any) -> Any:
    return x.permute(attributes.get("perm", list(reversed(range(x.dim())))))


def _concat(attributes: Attributes, *parts: Any) -> Any:
    import torch

    return torch.cat([as_tensor(part) for part in parts], attributes["axis"])


def _split(attributes: Attributes, x: Any, sizes: Any = None) -> Any:
    at = attributes.get("axis", 0)
    sizes = attributes.get("split") if sizes is None else listed(sizes)
    if sizes is None:
        return tuple(x.chunk(attributes["num_outputs"], at))
    return tuple(x.split(sizes, at))


def _slice(
    attributes: Attributes, x: Any, starts: Any = None, ends: Any = None, axes: Any = None,
    steps: Any = None,
) -> Any:  # fmt: skip
    starts = listed(attributes["starts"] if starts is None else starts)
    ends = listed(attributes["ends"] if ends is None else ends)
    given = attributes.get("axes") if axes is None else axes
    chosen = listed(given) if given is not None else list(range(len(starts)))
    strides = [1] * len(starts) if steps is None else listed(steps)
    for at, start, end, stride in zip(chosen, starts, ends, strides, strict=True):
        if stride < 0:
            raise refuse("a Slice that runs backwards")
        index = [slice(None)] * x.dim()
        index[at] = slice(start, end, stride)
        x = x[tuple(index)]
    return x


def _unsqueeze(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    chosen = listed(attributes["axes"] if axes is None else axes)
    rank = x.dim() + len(chosen)
    for at in sorted(at + rank if at < 0 else at for at in chosen):
        x = x.unsqueeze(at)
    return x


def _squeeze(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    chosen = attributes.get("axes") if axes is None else listed(axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _gather(attributes: Attributes, x: Any, index: Any) -> Any:
    import torch

    at = attributes.get("axis", 0)
    if isinstance(index, int):
        return x.select(at, index)
    index = as_tensor(index)
    if at == 0 and x.dim() == 2:
        return torch.nn.functional.embedding(index, x)
    flat = x.index_select(at, index.reshape(-1))
    at = at + x.dim() if at < 0 else at
    return flat.reshape(*x.shape[:at], *index.shape, *x.shape[at + 1 :])


def _gather_nd(attributes: Attributes, x: Any, index: Any) -> Any:
    if attributes.get("batch_dims", 0):
        raise refuse("a GatherND with batch_dims")
    return x[tuple(as_tensor(index).unbind(-1))]


def _pad(attributes: Attributes, x: Any, pads: Any = None, value: Any = None, axes: Any = None
         ) -> Any:  # fmt: skip
    import torch

    mode = attributes.get("mode", "constant")
    sizes = listed(attributes["pads"] if pads is None else pads)
    if mode != "constant" or axes is not None:
        raise refuse(f"a Pad of mode {mode}, or along chosen axes")
    rank = x.dim()
    pairs = [side for at in reversed(range(rank)) for side in (sizes[at], sizes[at + rank])]
    fill = 0.0 if value is None else float(listed(value)[0])
    return torch.nn.functional.pad(x, pairs, value=fill)


def _resize(attributes: Attributes, x: Any, _roi: Any = None, scales: Any = None,
            sizes: Any = None) -> Any:  # fmt: skip
    import torch

    way = (
        attributes.get("mode", "nearest"),
        attributes.get("coordinate_transformation_mode", "half_pixel"),
    )
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    known = {("nearest", "asymmetric"): "nearest", ("linear", "half_pixel"): "bilinear",
             ("linear", "pytorch_half_pixel"): "bilinear"}  # fmt: skip
    if way not in known or x.dim() != 4 or (way[0] == "nearest" and rounding != "floor"):
        raise refuse(f"a Resize of mode {way[0]}, {way[1]}")
    if sizes is not None:
        return torch.nn.functional.interpolate(x, size=listed(sizes)[2:], mode=known[way])
    factors = [float(item) for item in scales[2:]]
    return torch.nn.functional.interpolate(x, scale_factor=factors, mode=known[way])


def _expand(attributes: Attributes, x: Any, shape: Any) -> Any:
    import torch

    del attributes
    sizes = listed(shape)
    rank = max(len(sizes), x.dim())
    own, wanted = [1] * (rank - x.dim()) + list(x.shape), [1] * (rank - len(sizes)) + sizes
    full = [a if isinstance(b, int) and b == 1 else b for a, b in zip(own, wanted, strict=True)]
    return torch.broadcast_to(x, full)


MOVES: dict[str, Operation] = {
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Concat": _concat,
    "Split": _split, "Slice": _slice, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze,
    "Gather": _gather, "GatherND": _gather_nd, "Expand": _expand, "Pad": _pad, "Resize": _resize,
}  # fmt: skip
"""By operation."""
