"""Samples and labels that do not fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Refused = Callable[..., None]


@pytest.fixture
def images(shelf: Path) -> np.ndarray:
    return np.load(shelf / "data.npz")["image"]


@pytest.fixture
def convert(refused: Refused, shelf: Path) -> Refused:
    def check(*flags: object, cause: str, fix: str) -> None:
        command = ("convert", shelf / "traced.pt", "--to", "ir", "--precision", "int8")
        refused(*command, "--no-benchmark", *flags, cause=cause, fix=fix)

    return check


def test_arrays_that_do_not_fit(convert: Refused, images: np.ndarray) -> None:
    np.savez("data.npz", image=images[:, :2])
    convert(
        "--data", "data.npz",
        cause="array 'image' of data.npz has shape (20,2,8,8), input 'image' takes (N,3,8,8)",
        fix="give N samples as (N,3,8,8), or N whole inputs as (N,2,3,8,8)",
    )  # fmt: skip
    np.savez("data.npz", image=images.astype("complex64"))
    convert(
        "--data", "data.npz",
        cause="array 'image' of data.npz is complex64, the input takes float32",
        fix="save it as float32",
    )  # fmt: skip
    np.savez("data.npz", image=images[:1])
    convert(
        "--data", "data.npz", cause="data.npz holds 1 samples, input 'image' takes a batch of 2",
        fix="give at least 2 samples",
    )  # fmt: skip


def test_nan(convert: Refused, images: np.ndarray) -> None:
    images[3, 0, 1, 2] = np.nan
    np.savez("data.npz", image=images)
    convert(
        "--data", "data.npz",
        cause="array 'image' of data.npz holds NaN, first at index [3,0,1,2]",
        fix="remove or repair it",
    )  # fmt: skip


def test_labels_and_metrics(convert: Refused, shelf: Path) -> None:
    data = shelf / "data.npz"
    convert(
        "--data", data, "--labels", "lable", cause=f"{data} has no labels 'lable'",
        fix="arrays in it: image, label",
    )  # fmt: skip
    convert(
        "--data", data, "--metric", "accuracy",
        cause=f"metric accuracy needs labels, {data} was read without any",
        fix="name their array: --labels KEY, or labels: KEY beside the path in the recipe",
    )  # fmt: skip
    convert(
        "--data", data, "--labels", "label", "--metric", "acuracy",
        cause="unknown metric 'acuracy'", fix="did you mean 'accuracy'?",
    )  # fmt: skip
    convert("--labels", "label", cause="labels and metrics need data", fix="add --data PATH")


def test_labels_that_name_no_class(
    optkit: Callable[..., object], shelf: Path, images: np.ndarray
) -> None:
    np.savez("data.npz", image=images, label=np.arange(20))
    ended = optkit(
        "convert", shelf / "traced.pt", "--to", "ir", "--no-benchmark", "--data", "data.npz",
        "--labels", "label",
    )  # fmt: skip
    assert ended.code == 2
    cause, fix = ended.err.splitlines()
    assert cause.startswith("error: labels run from ")
    assert cause.endswith(", the output has 5 classes")
    assert fix == "  fix: labels are class numbers, 0 to 4"
    assert not Path("traced-optkit").exists()


def test_data_that_is_none(convert: Refused) -> None:
    Path("notes.txt").write_text("hello")
    Path("empty").mkdir()
    convert(
        "--data", "gone.npz", cause="there is no data at gone.npz",
        fix="give an .npz, an .npy, a folder of those or of images, or module:callable",
    )  # fmt: skip
    convert(
        "--data", "notes.txt", cause="notes.txt is neither .npz nor .npy by its content",
        fix="write it with numpy.savez; images go in a folder",
    )  # fmt: skip
    convert(
        "--data", "empty", cause="empty holds no .npy, no .npz and no images",
        fix="put samples there, or give another folder",
    )  # fmt: skip
    convert("--data", "", cause="--data is empty", fix="give it a value: --data samples.npz")
