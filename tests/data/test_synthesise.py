"""Inputs from nothing but a signature."""

import numpy as np
import pytest

from optkit.core.errors import OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.data.synthesise import concrete, synthesise

IMAGE = TensorSpec("image", (2, 3, 64, 64), "float32")
IDS = TensorSpec("ids", (Dim(), Dim(1, 512)), "int64")
MASK = TensorSpec("attention_mask", (Dim(), Dim()), "int64")


def test_the_same_seed_gives_the_same_values():
    first, again, other = (synthesise((IMAGE,), 3, seed, {}) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.read(1)["image"], again.read(1)["image"])
    assert not np.array_equal(first.read(1)["image"], first.read(2)["image"])
    assert not np.array_equal(first.read(1)["image"], other.read(1)["image"])
    assert first.digest == again.digest != other.digest
    assert (first.origin, first.count, first.labels) == ("synthesised", 3, None)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_images_have_a_falling_spectrum(layout):
    shape = (2, 3, 64, 64) if layout == "NCHW" else (2, 64, 64, 3)
    image = synthesise((TensorSpec("x", shape, "float32"),), 1, 0, {}).read(0)["x"]
    axes = (2, 3) if layout == "NCHW" else (1, 2)
    np.testing.assert_allclose(image.mean(axis=axes), 0, atol=0.03)
    np.testing.assert_allclose(image.std(axis=axes), 1, atol=0.03)
    assert (image.min(), image.max()) == pytest.approx((-2.12, 2.64))  # black and white
    power = np.abs(np.fft.fft2(image, axes=axes)) ** 2
    power = power if layout == "NCHW" else power.transpose(0, 3, 1, 2)
    low, high = power[..., 1:4, 1:4].mean(), power[..., 24:28, 24:28].mean()
    assert low / high > 20  # 1/f² in power; white noise gives 1


def test_integers_stay_below_their_bound():
    samples = synthesise((IDS, MASK), 5, 0, {"ids": 7})
    ids = np.concatenate([sample["ids"].ravel() for sample in samples])
    assert ids.min() >= 0
    assert 2 < ids.max() < 7
    masks = [sample["attention_mask"] for sample in samples]
    assert all(mask.mean() >= 0.8 and set(np.unique(mask)) <= {0, 1} for mask in masks)
    assert all(mask[:, 0].all() for mask in masks)


def test_other_dtypes():
    specs = tuple(
        TensorSpec(dtype, (1, 64), dtype) for dtype in ("bool", "int8", "float16", "bfloat16")
    )
    got = synthesise(specs, 1, 0, {}).read(0)
    assert [got[s.name].dtype.name for s in specs] == ["bool", "int8", "float16", "float32"]
    assert 0 < got["bool"].mean() < 1
    assert set(np.unique(got["int8"])) == {0, 1}
    scalar = TensorSpec("s", (), "float32")
    assert synthesise((scalar,), 1, 0, {}).read(0)["s"].shape == ()


def test_dynamic_dimensions_have_two_sizes_that_inputs_share():
    short = TensorSpec("short", (Dim(), Dim(1, 8)), "int64")
    for variant, expected in ((0, (1, 8)), (1, (2, 4))):
        shapes = [concrete(spec, variant, (IDS, short)) for spec in (IDS, short)]
        assert shapes == [expected, expected]
    assert concrete(IDS, 0) == (1, 16)
    assert concrete(IDS, 1) == (2, 24)


@pytest.mark.parametrize("dim", [Dim(1, 2), Dim(3, 5), Dim(20), Dim(100), Dim(16, 17), Dim(1, 16)])
def test_both_sizes_are_legal_and_differ(dim):
    first, second = (concrete(TensorSpec("x", (1, dim), "float32"), v)[1] for v in (0, 1))
    assert first != second
    for size in (first, second):
        assert dim.low <= size <= (dim.high or size)


def test_dynamic_images_are_large_enough_for_strides():
    spec = TensorSpec("x", (Dim(), 3, Dim(), Dim()), "float32")
    assert concrete(spec, 0) == (1, 3, 64, 64)
    assert concrete(spec, 1) == (2, 3, 96, 96)


def test_an_unknown_shape_is_refused():
    with pytest.raises(OptkitError, match="not known"):
        synthesise((TensorSpec("x"),), 1, 0, {})
