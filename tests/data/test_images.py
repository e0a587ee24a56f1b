"""Folders of real images."""

import numpy as np
import pytest
from PIL import Image

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.data.images import ImageOptions
from optkit.data.read import read_samples

NCHW = TensorSpec("x", (1, 3, 4, 6), "float32")


def read(folder, spec=NCHW, labels=None, **options):
    images = ImageOptions(**options) if options else None
    return read_samples(
        str(folder), (spec,), labels=labels, images=images, trusted=False, root=folder
    )


def save(path, colour, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def refusal(folder, spec=NCHW, labels=None, **options) -> str:
    with pytest.raises(OptkitError) as caught:
        read(folder, spec, labels, **options).read(0)
    assert caught.value.exit_code == Exit.BAD_INPUT
    return caught.value.message


def test_pixels_are_scaled_then_normalised(tmp_path):
    save(tmp_path / "a.png", (255, 0, 51))
    plain = read(tmp_path).read(0)["x"]
    assert plain.shape == (1, 3, 4, 6)
    assert plain.dtype == np.float32
    np.testing.assert_allclose(plain[0, :, 0, 0], [1, 0, 0.2], atol=1e-6)
    normal = read(tmp_path, mean=(0.5, 0.5, 0.2), std=(0.5, 0.25, 1.0)).read(0)["x"]
    np.testing.assert_allclose(normal[0, :, 1, 1], [1, -2, 0], atol=1e-6)
    np.testing.assert_allclose(read(tmp_path, scale=1.0).read(0)["x"].max(), 255)


def test_layout_grayscale_resize_and_raw_integers(tmp_path):
    save(tmp_path / "a.png", (10, 200, 30), size=(9, 7))
    nhwc = read(tmp_path, TensorSpec("x", (1, 4, 6, 3), "float32")).read(0)["x"]
    np.testing.assert_allclose(nhwc[0, 2, 3] * 255, [10, 200, 30], atol=1e-4)
    assert read(tmp_path, TensorSpec("x", (1, 1, 4, 6), "float32")).read(0)["x"].shape[1] == 1
    raw = read(tmp_path, TensorSpec("x", (1, 4, 6, 3), "uint8")).read(0)["x"]
    assert raw.dtype == np.uint8
    assert raw[0, 0, 0].tolist() == [10, 200, 30]
    free = TensorSpec("x", (1, 3, Dim(), Dim()), "float32")
    assert read(tmp_path, free).read(0)["x"].shape == (1, 3, 7, 9)
    assert read(tmp_path, free, resize=(8, 10)).read(0)["x"].shape == (1, 3, 8, 10)


def test_sub_folders_are_classes_in_sorted_order(tmp_path):
    for name, count in (("dog", 2), ("cat", 1), ("eel", 1)):
        for index in range(count):
            save(tmp_path / name / f"{index}.png", (index, 0, 0))
    (tmp_path / "bee").mkdir()  # a class without images keeps its number
    save(tmp_path / ".thumbs" / "x.png", 0)
    samples = read(tmp_path)
    assert samples.count == 4
    assert [samples.labels(index).tolist() for index in range(4)] == [[1], [2], [2], [3]]
    grouped = read(tmp_path, TensorSpec("x", (2, 3, 4, 6), "float32"))
    assert grouped.count == 2
    assert grouped.labels(1).tolist() == [2, 3]
    assert grouped.read(1)["x"].shape == (2, 3, 4, 6)


def test_options_enter_the_digest(tmp_path):
    save(tmp_path / "a.png", 0)
    assert read(tmp_path).digest == read(tmp_path).digest != read(tmp_path, std=(2.0,)).digest


def test_mistakes(tmp_path):
    save(tmp_path / "a.png", 0)
    assert "no labels" in refusal(tmp_path, labels="y")
    assert "mean has 2" in refusal(tmp_path, mean=(0.1, 0.2))
    assert "std" in refusal(tmp_path, std=(0.0,))
    assert "rank 2" in refusal(tmp_path, TensorSpec("x", (1, 8), "float32"))
    assert "channels" in refusal(tmp_path, TensorSpec("x", (1, 8, 4, 6), "float32"))
    assert "floating" in refusal(tmp_path, TensorSpec("x", (1, 3, 4, 6), "uint8"), std=(2.0,))
    assert "(N,3,4,6)" in refusal(tmp_path, resize=(5, 5))
    (tmp_path / "b.png").write_bytes(b"not an image")
    assert "b.png" in refusal(tmp_path)
    (tmp_path / "b.png").unlink()
    Image.fromarray(np.full((4, 6), 60000, np.uint16)).save(tmp_path / "b.png")
    assert "8 bits" in refusal(tmp_path)
    (tmp_path / "b.png").unlink()
    save(tmp_path / "class" / "c.png", 0)
    assert "beside" in refusal(tmp_path)
    np.save(tmp_path / "d.npy", np.zeros(3))
    assert "both arrays and images" in refusal(tmp_path)


def test_a_truncated_image_is_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    assert "a.png" in refusal(tmp_path)


def test_a_batch_of_different_sizes_is_refused(tmp_path):
    save(tmp_path / "a.png", 0, size=(6, 4))
    save(tmp_path / "b.png", 0, size=(8, 4))
    spec = TensorSpec("x", (2, 3, Dim(), Dim()), "float32")
    assert "different shapes" in refusal(tmp_path, spec)
