"""The one `openvino.Core` of a process."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def shared_core() -> Any:
    """OpenVINO's devices and models, the same `openvino.Core` each time.

    OpenVINO's CPU plugin gives the thread that loads it another stack for signals, and frees that
    in whichever thread unloads it, where it is in nobody's way: the next signal, Ctrl-C as well,
    then ends the process by SIGSEGV. A core that stays keeps the plugin loaded.

    And the first array that OpenVINO hands out makes it import numpy's C interface; threads that
    each ask for the first one wait for each other for ever. Here one alone asks for it.
    """
    import openvino

    core = openvino.Core()
    _ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
    return core
