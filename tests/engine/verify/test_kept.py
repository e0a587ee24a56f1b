"""What is kept to check a model by is small, and comes back as it was."""

import numpy as np
import pytest

from optkit.engine.verify.kept import Kept, read_kept, thinned, write_kept


def watched(arrays, count):
    """What is kept of `count` samples like `arrays`, of a source and of a model near it."""
    kept = Kept()
    expected, got = kept.watching(
        lambda given: {"y": given["x"].astype("float32") * 2},
        lambda given: {"y": given["x"].astype("float32") * 2 + 0.5},
    )
    for number in range(count):
        given = {name: array + array.dtype.type(number) for name, array in arrays.items()}
        expected(given)
        got(given)
    return kept


def test_the_first_samples_come_back_as_they_were(tmp_path):
    kept = watched({"x": np.arange(12, dtype="float32").reshape(1, 3, 4)}, 20)
    write_kept(kept, tmp_path / "a.npz")
    write_kept(kept, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = read_kept(tmp_path / "a.npz")
    assert len(back.inputs) == len(back.expected) == len(back.got) == 8
    np.testing.assert_array_equal(back.inputs[3]["x"], kept.inputs[3]["x"])
    np.testing.assert_array_equal(back.got[0]["y"] - back.expected[0]["y"], np.full(12, 0.5))


def test_a_network_that_writes_into_its_input_does_not_spoil_what_is_kept():
    kept = Kept()

    def spoil(given):
        given["x"][:] = -1
        return {"y": given["x"]}

    expected, got = kept.watching(lambda given: {"y": given["x"]}, spoil)
    expected({"x": np.ones((1, 2), "float32")})
    got({"x": np.ones((1, 2), "float32")})
    np.testing.assert_array_equal(kept.inputs[0]["x"], [[1, 1]])


@pytest.mark.parametrize(("values", "count"), [(10, 8), (20_000, 3), (200_000, 1), (400_000, 0)])
def test_large_inputs_are_fewer_and_the_largest_are_none(tmp_path, values, count):
    kept = watched({"x": np.random.default_rng(0).standard_normal((1, values), "float32")}, 9)
    assert len(kept.inputs) == count
    assert kept.too_large is (count == 0)
    write_kept(kept, tmp_path / "kept.npz")
    assert (tmp_path / "kept.npz").stat().st_size < 1_100_000


def test_of_a_large_output_a_thousand_values_are_kept():
    found = thinned({"map": np.arange(1_000_000, dtype="float32").reshape(1, 10, 1000, 100)})
    assert found["map"].shape == (1000,)
    assert (found["map"][0], found["map"][-1]) == (0, 999_000)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing of the kind"])
def test_a_broken_file_is_no_reason_to_stop(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever numpy says of it
        read_kept(path)
