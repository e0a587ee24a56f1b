"""Recording a network the same way in every process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fresh_class_names() -> Iterator[None]:
    """Name the recording's classes as in a fresh process.

    torch keeps every class that it ever recorded, and numbers the next one of that name.
    """
    import torch
    from torch.jit import _recursive, _state

    kept = _state._python_cu, _recursive.concrete_type_store
    _state._python_cu = torch._C.CompilationUnit()
    _recursive.concrete_type_store = _recursive.ConcreteTypeStore()
    try:
        yield
    finally:
        _state._python_cu, _recursive.concrete_type_store = kept
