from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch.utils import _pytree

from optkit.core.errors import OptkitError
from optkit.graphs.torch_outputs import flatten, spec_names

T = torch.ones(1)
Pair = namedtuple("Pair", "values indices")


@dataclass
class Answer:
    logits: torch.Tensor
    extra: torch.Tensor | None = None


VALUES = [
    (T, ["output"]),
    ((T, T), ["output_0", "output_1"]),
    ([T], ["output_0"]),
    (Pair(T, T), ["output_0", "output_1"]),
    ({"a": T, "b": [T, T]}, ["a", "b_0", "b_1"]),
    (OrderedDict(b=T, a=T), ["b", "a"]),
    ((T, {"x": T, "y": (T, T)}), ["output_0", "output_1_x", "output_1_y_0", "output_1_y_1"]),
    ({3: {4: T}}, ["3_4"]),
]


@pytest.mark.parametrize(("value", "names"), VALUES)
def test_names(value, names):
    assert [name for name, _ in flatten(value)] == names
    assert spec_names(_pytree.tree_structure(value)) == names


def test_none_is_left_out_and_the_rest_keeps_its_number():
    assert [name for name, _ in flatten((T, None, T))] == ["output_0", "output_2"]
    assert [name for name, _ in flatten(Answer(T))] == ["logits"]


def test_what_is_no_tensor_is_bad_input():
    with pytest.raises(OptkitError, match="returns a str"):
        flatten({"a": "text"})
