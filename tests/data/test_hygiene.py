"""Data that cannot be right is told: too little, constant, of another range, not held apart."""

from dataclasses import replace

import numpy as np
import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.core.samples import Samples
from optkit.data.hygiene import MOST, look, warnings
from optkit.data.synthesise import synthesise

RANDOM = np.random.default_rng(0)


def given(array, name="image"):
    """Samples of batch 1 along axis 0."""
    return Samples(len(array), lambda i: {name: array[i : i + 1]}, None, "given", "", "given.npz")


def images(count, low=0.0, high=1.0):
    return RANDOM.uniform(low, high, (count, 3, 4, 4)).astype("f4")


def test_good_data_has_no_warning():
    assert warnings(given(images(40)), given(images(10)), {}) == []


@pytest.mark.parametrize(
    ("calibration", "validation", "words"),
    [
        (images(3), images(10), "3 samples to calibrate on"),
        (images(40), images(2), "2 samples to validate on"),
        (np.full((40, 3, 4, 4), 0.5, "f4"), images(10), "is 0.5 throughout the calibration"),
        (np.tile(images(1), (40, 1, 1, 1)), images(10), "only 1 differs"),
        (images(40, high=255.0), images(10), "from 0.\\d+ to 255 in calibration, from"),
        (RANDOM.integers(0, 256, (40, 3, 4, 4)).astype("f4"), images(10, high=255), "raw images"),
    ],
    ids=["few", "few to validate", "constant", "the same", "other range", "raw images"],
)
def test_what_is_told(calibration, validation, words):
    told = warnings(given(calibration), given(validation), {})
    import re

    assert any(re.search(words, line) for line in told), told


def test_validation_on_what_was_calibrated_on():
    data = images(60)
    assert any(
        "all validation samples are" in line for line in warnings(given(data), given(data), {})
    )
    apart = given(np.concatenate([data[:5], images(15)]))
    (line,) = warnings(given(data), apart, {})
    assert line.startswith("5 of 20 validation samples are calibration samples too")


def test_a_batch_is_seen_row_by_row():
    """The same images in batches of another size are the same images."""
    data = images(64)
    batched = Samples(
        8, lambda i: {"image": data[8 * i : 8 * i + 8]}, None, "given", "", "batched.npz"
    )
    assert look(batched).rows == 64
    assert "all validation samples are" in warnings(batched, given(data[:16]), {})[0]


def test_an_index_beyond_its_table_is_refused():
    ids = RANDOM.integers(0, 40, (40, 6))
    with pytest.raises(OptkitError, match="indexes a table of 30 rows") as caught:
        warnings(given(ids, "input_ids"), given(ids, "input_ids"), {"input_ids": 30})
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert warnings(given(ids, "input_ids"), given(ids[:0], "input_ids"), {"input_ids": 40}) == []


def test_memory_and_time_are_bounded():
    """Of a million samples some hundred are read, one at a time, from all over the set."""
    read = []

    def sample(index):
        read.append(index)
        return {"image": np.full((1, 3, 4, 4), index, "f4")}

    many = Samples(10**6, sample, None, "given", "", "many.npz")
    seen = look(many)
    assert len(read) == seen.looked == MOST
    assert max(read) > 0.99 * 10**6
    assert warnings(many, replace(given(images(10)), count=0), {}) == []


def test_made_up_samples_are_not_judged():
    from optkit.core.signature import TensorSpec

    spec = TensorSpec("image", (1, 3, 4, 4), "float32")
    made = synthesise((spec,), 2, 0, {})
    assert warnings(made, made, {}) == []
