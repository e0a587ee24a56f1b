"""`--input` lines that say nothing, or not what the model takes."""

import shlex
from collections.abc import Callable
from pathlib import Path

import models
import pytest
import torch
from torch import nn

Refused = Callable[..., None]
FORM = "write it as name=1,3,224,224:float32; a dimension may be ? or a range like 1..64"
MALFORMED = {
    "": ("--input '': it says nothing", FORM),
    "a:b:c": ("cannot read --input 'a:b:c'", FORM),
    "image=1,3,8,x": (
        "--input 'image=1,3,8,x': 'x' is no dimension; write a number, '?' or a range like 1..64",
        FORM,
    ),
    "image=1,,8,8": (
        "--input 'image=1,,8,8': '' is no dimension; write a number, '?' or a range like 1..64",
        FORM,
    ),
    "image=1,3,0,8": ("--input 'image=1,3,0,8': a dimension is at least 1", FORM),
    "image=1,3,0..4,8": ("--input 'image=1,3,0..4,8': a dimension is at least 1", FORM),
    "image=1,3,9..4,8": ("--input 'image=1,3,9..4,8': '9..4' runs backwards", FORM),
    "image=1,3,8,8:float33": (
        "--input 'image=1,3,8,8:float33': unknown dtype 'float33'",
        "one of float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool",
    ),
    "imag=1,3,8,8": (
        "the model has no input 'imag'; it takes image",
        "--input image=1,3,8,8",
    ),
    "image=3,8,8": (
        "input 'image' has rank 4 in the model, rank 3 as declared",
        "the model's own: --input image=2,3,8,8:float32",
    ),
    "image=1,3,99999999,99999999": (
        "input 'image' is too large: image=1,3,99999999,99999999:float32",
        "declare fewer than 2,147,483,648 values",
    ),
}


@pytest.mark.parametrize("spec", MALFORMED)
def test_a_malformed_or_wrong_line(refused: Refused, shelf: Path, spec: str) -> None:
    cause, fix = MALFORMED[spec]
    refused("convert", shelf / "traced.pt", "--to", "ir", "--input", spec, cause=cause, fix=fix)


@pytest.mark.parametrize("name", ["traced.pt", "model.onnx", "exported.pt2"])
@pytest.mark.parametrize("spec", ["1,4,8,8:float32", "1,3,8,8:int64"])
def test_what_the_model_refuses_when_it_runs(
    refused: Refused, shelf: Path, name: str, spec: str
) -> None:
    shape, dtype = spec.split(":")
    refused(
        "convert", shelf / name, "--to", "ir", "--input", f"image={spec}",
        cause=f"{name} refuses its input (image [{shape.replace(',', ', ')}] {dtype}): …",
        fix="declare what it takes, for example: --input image=2,3,8,8:float32",
    )  # fmt: skip


def test_the_libraries_own_cause_is_told(optkit: Callable[..., object], shelf: Path) -> None:
    told = {
        "traced.pt": "expected input[1, 4, 8, 8] to have 3 channels, but got 4 channels instead",
        "model.onnx": "Got invalid dimensions for input: image: index: 0 Got: 1 Expected: 2",
    }
    for name, cause in told.items():
        ended = optkit("convert", shelf / name, "--to", "ir", "--input", "image=1,4,8,8")
        assert cause in ended.err.splitlines()[0]


def test_too_many_inputs(refused: Refused, shelf: Path) -> None:
    two = ("--input", "image=1,3,8,8", "--input")
    start = ("convert", shelf / "traced.pt", "--to", "ir", *two)
    refused(
        *start, "mask=1,8", cause="2 inputs declared, the model takes 1: image",
        fix="drop the ones it does not take",
    )  # fmt: skip
    refused(
        *start, "image=1,3,8,8", cause="--input: the input 'image' is declared twice",
        fix="keep one, or correct a name",
    )  # fmt: skip


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.mark.parametrize("kind", [Dense, models.ConvNet, models.TwoInputs])
def test_the_line_in_the_fix_works_when_pasted(
    optkit: Callable[..., object], refused: Refused, place: Path, kind: type[nn.Module]
) -> None:
    torch.jit.script(models.build(kind)).save("scripted.pt")
    command = ("convert", "scripted.pt", "--to", "ir", "--no-benchmark")
    names = ", ".join(f"'{name}'" for name in models.names(kind))
    begin = "declare it, for example: --input "
    refused(
        *command, cause=f"scripted.pt does not tell the shape of {names}", fix=f"{begin}…"
    )  # fmt: skip
    line = optkit(*command).err.splitlines()[1].partition("for example: ")[2]
    ended = optkit(*command, *shlex.split(line))
    assert ended.code == 0, ended.err
