"""sensitivity: a figure per layer and share; what prune makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pruned_nets import Plain, digits, trained
from stepping import answers, image_face, images, step, written

from optkit.core.errors import Exit, OptkitError

FACE = image_face((1, 1, 8, 8))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    network = trained(Plain, epochs=5, channels=(32, 32, 32))
    return written(network, "exported", FACE, tmp_path_factory.mktemp("source"))


def labelled(count: int = 128):
    return images(digits()[0].numpy()[:count], digits()[2].numpy()[:count])


def test_every_layer_has_a_row_per_share(source, tmp_path: Path):
    """Given a net of three layers; Result: the net itself, drops that grow with the share."""
    _, outcome = step(source, "sensitivity", tmp_path, samples=labelled())
    assert outcome.path is None
    assert "it only measures: 3 layers" in outcome.reason
    table = outcome.details["sensitivity"]
    assert list(table) == ["conv1", "conv2", "conv3"]
    for rows in table.values():
        assert [row["ratio"] for row in rows] == sorted(row["ratio"] for row in rows)
        assert rows[-1]["ratio"] == 0.75
        assert all(-0.05 <= row["drop"] <= 1 for row in rows)
        assert rows[-1]["multiply_adds"] < rows[0]["multiply_adds"] < 1
    assert max(rows[-1]["drop"] for rows in table.values()) > 0.05


def test_without_labels_it_counts_answers_that_change(source, tmp_path: Path):
    _, outcome = step(source, "sensitivity", tmp_path, samples=images(digits()[0].numpy()[:64]))
    assert outcome.details["measure"] == "answers that stay the same"
    drops = [row["drop"] for rows in outcome.details["sensitivity"].values() for row in rows]
    assert min(drops) >= 0


def judged(start: int, stop: int):
    """Images that no network here was trained on, with their labels."""
    return digits()[1].numpy()[start:stop], digits()[3].numpy()[start:stop]


def test_prune_keeps_to_a_drop_by_the_same_figures(source, tmp_path: Path):
    """Given a bound on the drop; Result: kept, more saved for a wider one, measured once."""
    known, computed = {}, []

    def remember(module, question, compute):
        key = repr((module, question))
        if key not in known:
            computed.append(module)
            known[key] = compute()
        return known[key]

    common = {"samples": images(*judged(0, 240)), "remember": remember}
    step(source, "sensitivity", tmp_path, **common)
    shares = []
    for bound in (0.05, 0.5):
        _, outcome = step(source, "prune", tmp_path, max_drop=bound, **common)
        details = outcome.details
        assert details["drop"] < details["drop_at_most"] <= bound
        assert (details["confidence"], details["judged_on"]) == (0.95, 120)
        macs = details["multiply_adds"]
        shares.append(macs["after"] / macs["before"])
    assert shares[1] < shares[0] < 1
    assert computed == ["optkit.pruning.sensitivity"] * 3, "each layer once"


def test_killed_it_goes_on_with_the_next_layer(source, tmp_path: Path):
    """Given a run that ends in its third layer; Result: the first two are not measured again."""
    known, told = {}, []

    def remember(module, question, compute):
        key = repr((module, question))
        known[key] = known[key] if key in known else compute()
        return known[key]

    def killed(done, total, text=""):
        if text.startswith("conv3"):
            raise KeyboardInterrupt

    common = {"samples": labelled(64), "remember": remember}
    with pytest.raises(KeyboardInterrupt):
        step(source, "sensitivity", tmp_path, progress=killed, **common)
    assert len(known) == 2
    _, resumed = step(source, "sensitivity", tmp_path, progress=lambda *a: told.append(a), **common)
    assert all(text.startswith("conv3 without ") and "drop" in text for _, _, text in told)
    _, whole = step(source, "sensitivity", tmp_path, samples=labelled(64))
    assert resumed.details == whole.details


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))]
)
@pytest.mark.parametrize("labels", [True, False], ids=["labelled", "unlabelled"])
def test_the_drop_is_kept_on_other_images(seed, labels, tmp_path: Path):
    """Given a bound of 0.06 judged on 150 images; Result: kept on 240 that pruning never saw."""
    network = trained(Plain, seed, 5, channels=(32, 32, 32))
    source = written(network, "exported", FACE, tmp_path)
    pixels, truth = judged(0, 300)
    samples = images(pixels, truth if labels else None)
    pruned, outcome = step(source, "prune", tmp_path, samples=samples, max_drop=0.06, round_to=4)
    assert outcome.details["multiply_adds"]["after"] < outcome.details["multiply_adds"]["before"]
    fresh, truth = judged(300, 540)
    before, after = (answers(model, fresh).argmax(1).numpy() for model in (source, pruned))
    wrong = (after != truth).mean() - (before != truth).mean() if labels else (after != before)
    assert float(np.mean(wrong)) <= 0.06


def test_too_few_samples_for_the_bound_are_refused_with_how_many_it_takes(source, tmp_path: Path):
    with pytest.raises(OptkitError, match=r"32 samples are left to judge by, and 0.01") as caught:
        step(source, "prune", tmp_path, samples=labelled(64), max_drop=0.01)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "calibration samples" in caught.value.hint
