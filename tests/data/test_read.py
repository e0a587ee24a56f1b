"""Reading samples from every kind of source, and what is said when they do not fit."""

from pathlib import Path

import numpy as np
import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.data.holdout import split_holdout
from optkit.data.read import read_samples

IMAGE = TensorSpec("image", (1, 3, 4, 4), "float32")
IDS = TensorSpec("ids", (Dim(), Dim(1, 8)), "int64")
MASK = TensorSpec("mask", (Dim(), Dim(1, 8)), "int64")


def read(path, inputs=(IMAGE,), labels=None, root=Path(), trusted=False):
    return read_samples(str(path), inputs, labels=labels, images=None, trusted=trusted, root=root)


def refusal(path, inputs=(IMAGE,), labels=None, **more) -> OptkitError:
    with pytest.raises(OptkitError) as caught:
        list(read(path, inputs, labels, **more))
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert caught.value.hint
    return caught.value


def values(*shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_own_rank_is_sliced_along_the_batch_axis(tmp_path):
    images = values(5, 3, 4, 4)
    np.savez(tmp_path / "d.npz", image=images, label=np.arange(5))
    samples = read(tmp_path / "d.npz", labels="label")
    assert samples.count == 5
    np.testing.assert_array_equal(samples.read(3)["image"], images[3:4])
    np.testing.assert_array_equal(samples.labels(3), [3])
    assert samples.origin == "given"


def test_rank_plus_one_holds_whole_inputs(tmp_path):
    ids = values(3, 2, 5, dtype=np.int64)
    np.savez(tmp_path / "d.npz", ids=ids, mask=np.ones_like(ids), y=values(3, 2))
    samples = read(tmp_path / "d.npz", (IDS, MASK), labels="y")
    assert samples.count == 3
    np.testing.assert_array_equal(samples.read(1)["ids"], ids[1])
    np.testing.assert_array_equal(samples.labels(1), [2, 3])


def test_whole_inputs_of_batch_one_take_one_label_each(tmp_path):
    np.savez(tmp_path / "d.npz", image=values(3, 1, 3, 4, 4), y=[4, 5, 6])
    np.testing.assert_array_equal(read(tmp_path / "d.npz", labels="y").labels(2), [6])


def test_a_fixed_batch_groups_samples_and_drops_the_remainder(tmp_path):
    spec = TensorSpec("image", (4, 3, 4, 4), "float32")
    images = values(10, 3, 4, 4)
    np.savez(tmp_path / "d.npz", image=images, y=np.arange(10))
    samples = read(tmp_path / "d.npz", (spec,), labels="y")
    assert samples.count == 2
    np.testing.assert_array_equal(samples.read(1)["image"], images[4:8])
    np.testing.assert_array_equal(samples.labels(1), [4, 5, 6, 7])
    np.savez(tmp_path / "few.npz", image=images[:3])
    assert "3 samples" in refusal(tmp_path / "few.npz", (spec,)).message


def test_what_is_read_is_a_copy(tmp_path):
    np.save(tmp_path / "d.npy", values(2, 3, 4, 4))
    samples = read(tmp_path / "d.npy")
    samples.read(0)["image"][:] = -1
    assert samples.read(0)["image"].min() == 0


def test_a_single_input_takes_any_one_name(tmp_path):
    np.savez(tmp_path / "d.npz", whatever=values(2, 3, 4, 4), y=[0, 1])
    assert read(tmp_path / "d.npz", labels="y").count == 2
    told = refusal(tmp_path / "d.npz")
    assert "whatever, y" in told.message
    assert "--labels" in told.hint


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([[1.5]], np.float64), "float32"),
        (np.array([[3]], np.int32), "int64"),
        (np.array([[3]], np.int64), "int32"),
        (np.array([[250]], np.uint8), "float32"),
        (np.array([[True]]), "int64"),
        (np.array([[1]], np.int64), "bool"),
        (np.array([[1.5]], np.float32), "bfloat16"),
        (np.array([[7]], ">i4"), "int32"),
    ],
)
def test_lossless_casts(tmp_path, given, dtype):
    np.save(tmp_path / "d.npy", given)
    got = read(tmp_path / "d.npy", (TensorSpec("x", (1, 1), dtype),)).read(0)["x"]
    assert got.dtype == np.dtype("float32" if dtype == "bfloat16" else dtype)
    assert got[0, 0] == given[0, 0]


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([[1.0]], np.float32), "int64"),
        (np.array([[2**40]], np.int64), "int32"),
        (np.array([[-1]], np.int64), "uint8"),
        (np.array([[-1]], np.int8), "uint8"),
        (np.array([[2**63 + 1]], np.uint64), "int64"),
        (np.array([[2**24 + 1]], np.int64), "float32"),
        (np.array([[2**63 - 1]], np.int64), "float32"),
        (np.array([[1e300]], np.float64), "float32"),
        (np.array([[2]], np.int64), "bool"),
        (np.array([["a"]]), "float32"),
        (np.array([[1j]]), "float32"),
    ],
)
def test_lossy_casts_are_refused(tmp_path, given, dtype):
    np.save(tmp_path / "d.npy", given)
    assert dtype in refusal(tmp_path / "d.npy", (TensorSpec("x", (1, 1), dtype),)).message


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "Inf")])
def test_values_that_are_not_finite_are_named(tmp_path, bad, word):
    images = values(2, 3, 4, 4)
    images[1, 2, 0, 3] = bad
    np.savez(tmp_path / "d.npz", image=images)
    message = refusal(tmp_path / "d.npz").message
    assert word in message
    assert "'image'" in message
    assert "[1,2,0,3]" in message


def test_a_wrong_shape_names_both(tmp_path):
    np.savez(tmp_path / "d.npz", image=values(2, 3, 4, 5))
    message = refusal(tmp_path / "d.npz").message
    assert "(2,3,4,5)" in message
    assert "(N,3,4,4)" in message


def test_a_dynamic_dimension_keeps_its_range(tmp_path):
    np.savez(tmp_path / "d.npz", ids=values(2, 9, dtype=np.int64))
    assert "1..8" in refusal(tmp_path / "d.npz", (IDS,)).message


def test_mistakes_in_an_npz(tmp_path):
    file = tmp_path / "d.npz"
    np.savez(file, ids=values(3, 4, dtype=np.int64), mask=values(2, 4, dtype=np.int64))
    assert "'ids' 3, 'mask' 2" in refusal(file, (IDS, MASK)).message
    np.savez(file, ids=values(3, 4, dtype=np.int64), other=values(3, 4))
    assert "input 'mask'; arrays in it: ids, other" in refusal(file, (IDS, MASK)).message
    np.savez(file, image=values(2, 3, 4, 4), y=[1, 2, 3])
    assert "labels of shape (3,) for 2 samples" in refusal(file, labels="y").message
    told = refusal(file, labels="z")
    assert "'z'" in told.message
    assert "image, y" in told.hint
    np.savez(file, image=values(2, 3, 4, 4), y=["cat", "dog"])
    assert "labels" in refusal(file, labels="y").message
    np.savez(file, image=np.zeros((0, 3, 4, 4), np.float32))
    assert "empty" in refusal(file).message


def test_object_arrays_are_never_unpickled(tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (ran,)

    np.savez(tmp_path / "d.npz", image=np.array([Bomb()], dtype=object))
    np.save(tmp_path / "d.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    for name in ("d.npz", "d.npy"):
        assert "pickled" in refusal(tmp_path / name).message
    assert not ran.exists()


def test_files_that_are_not_what_they_seem(tmp_path):
    np.savez(tmp_path / "whole.npz", image=values(50, 3, 4, 4))
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.npz").write_text("hello, this is no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    assert "cannot read" in refusal(tmp_path / "cut.npz").message
    assert "neither" in refusal(tmp_path / "text.npz").message
    assert "neither" in refusal(tmp_path / "empty.npz").message
    assert "no data at" in refusal(tmp_path / "absent.npz").message
    (tmp_path / "void").mkdir()
    assert "holds no" in refusal(tmp_path / "void").message


def test_npy_feeds_one_input_and_has_no_labels(tmp_path):
    np.save(tmp_path / "d.npy", values(2, 4, dtype=np.int64))
    assert read(tmp_path / "d.npy", (IDS,)).count == 2
    assert "ids, mask" in refusal(tmp_path / "d.npy", (IDS, MASK)).message
    assert "no labels" in refusal(tmp_path / "d.npy", (IDS,), "y").message


def test_an_unknown_shape_asks_for_a_declaration(tmp_path):
    assert "--input x=" in refusal(tmp_path, (TensorSpec("x"),)).hint


def test_digest_follows_content_and_not_the_name(tmp_path):
    np.save(tmp_path / "a.npy", values(2, 3, 4, 4))
    np.save(tmp_path / "b.npy", values(2, 3, 4, 4))
    np.save(tmp_path / "c.npy", values(2, 3, 4, 4) + 1)
    a, b, c = (read(tmp_path / f"{name}.npy").digest for name in "abc")
    assert a == b != c


def test_the_last_fifth_is_held_back(tmp_path):
    np.save(tmp_path / "d.npy", values(12, 3, 4, 4))
    samples = read(tmp_path / "d.npy")
    calibration, validation = split_holdout(samples)
    assert (calibration.count, validation.count) == (10, 2)
    np.testing.assert_array_equal(validation.read(0)["image"], samples.read(10)["image"])
    assert calibration.digest != validation.digest
    assert [part.count for part in split_holdout(samples.part(0, 3))] == [2, 1]
    assert [part.count for part in split_holdout(samples.part(0, 1))] == [0, 1]


def test_folder_of_samples_and_batches(tmp_path):
    images = values(4, 3, 4, 4)
    np.save(tmp_path / "a.npy", images[0])  # one sample without batch axis
    np.save(tmp_path / "b.npy", images[1:4])
    np.save(tmp_path / "labels.npy", np.arange(4) * 10)
    (tmp_path / "README.txt").write_text("notes")
    samples = read(tmp_path)
    assert samples.count == 4
    for index in range(4):
        np.testing.assert_array_equal(samples.read(index)["image"][0], images[index])
        np.testing.assert_array_equal(samples.labels(index), [index * 10])


def test_folder_batches_run_across_files(tmp_path):
    images = values(5, 3, 4, 4)
    for index, image in enumerate(images):
        np.savez(tmp_path / f"{index}.npz", image=image, y=np.int64(index))
    spec = TensorSpec("image", (2, 3, 4, 4), "float32")
    samples = read(tmp_path, (spec,), "y")
    assert samples.count == 2
    np.testing.assert_array_equal(samples.read(1)["image"], images[2:4])
    np.testing.assert_array_equal(samples.labels(1), [2, 3])


def test_folder_mistakes(tmp_path):
    np.save(tmp_path / "a.npy", values(2, 3, 4, 4))
    assert "no labels" in refusal(tmp_path, labels="y").message
    np.save(tmp_path / "labels.npy", np.arange(5))
    assert "(5,) for 2 samples" in refusal(tmp_path).message
    (tmp_path / "labels.npy").unlink()
    bad = values(2, 3, 4, 4)
    bad[0, 0, 0, 0] = np.nan
    np.save(tmp_path / "b.npy", bad)
    assert "b.npy" in refusal(tmp_path).message


def test_callable_gives_samples_only_when_trusted(tmp_path):
    (tmp_path / "my_samples_ok.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    for i in range(3):\n"
        "        yield {'image': np.full((3, 4, 4), i, 'float32')}, i\n"
        "def plain():\n"
        "    return [{'image': np.zeros((2, 3, 4, 4))}]\n"
        "def broken():\n"
        "    raise RuntimeError('no disk')\n"
        "def wrong():\n"
        "    yield 3\n"
    )
    spec = "my_samples_ok:make"
    told = refusal(spec, root=tmp_path)
    assert "gives the samples" in told.message
    assert "--trust-code" in told.hint
    samples = read(spec, root=tmp_path, trusted=True)
    assert samples.count == 3
    assert samples.read(2)["image"].shape == (1, 3, 4, 4)
    assert samples.read(2)["image"].max() == 2
    np.testing.assert_array_equal(samples.labels(2), [2])
    plain = read("my_samples_ok:plain", root=tmp_path, trusted=True)
    assert (plain.count, plain.labels) == (2, None)
    assert plain.digest != samples.digest
    for name, word in (("broken", "no disk"), ("wrong", "not a dict")):
        assert word in refusal(f"my_samples_ok:{name}", root=tmp_path, trusted=True).message


def test_whole_inputs_of_no_dimensions_stay_arrays(tmp_path):
    np.savez(tmp_path / "d.npz", factor=values(3))
    samples = read(tmp_path / "d.npz", (TensorSpec("factor", (), "float32"),))
    found = samples.read(2)["factor"]
    assert isinstance(found, np.ndarray)
    assert found.shape == ()
    assert found == 2
