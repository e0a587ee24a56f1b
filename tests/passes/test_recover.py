"""recover: accuracy back without labels, the same each time, also after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_nets import Plain, accuracy, digits, trained
from stepping import answers, image_face, images, step, written

from optkit.core.errors import OptkitError

FACE = image_face((1, 1, 8, 8))
SMALL = (32, 32, 32)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    network = trained(Plain, epochs=5, channels=SMALL)
    return written(network, "torchscript", FACE, tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def pruned(source, tmp_path_factory: pytest.TempPathFactory):
    return step(source, "prune", tmp_path_factory.mktemp("pruned"), flops=0.4)[0]


def train(count: int = 320):
    return images(digits()[0].numpy()[:count])


def test_accuracy_comes_back_without_labels(source, pruned, tmp_path: Path):
    """Given a net at 40 % of its work; Result: nearly the source's accuracy, the same shapes."""
    told = []
    mended, outcome = step(pruned, "recover", tmp_path, samples=train(), source=source, epochs=12,
                           progress=lambda *seen: told.append(seen))  # fmt: skip
    judged = digits()[1].numpy()
    before, broken, after = (accuracy(answers(m, judged)) for m in (source, pruned, mended))
    assert before > 0.95
    assert after > before - 0.1
    assert after > broken
    loss = outcome.details["loss"]
    assert loss["after"] < 0.2 * loss["before"]
    assert outcome.details["steps"] == 12 * 4
    assert [seen[:2] for seen in told] == [(at, 12) for at in range(1, 13)]
    assert all(seen[2].startswith("loss ") for seen in told)


@pytest.mark.parametrize("word", ["exported", "onnx"])
def test_other_formats_recover_too(word, tmp_path: Path):
    network = trained(Plain, epochs=5, channels=SMALL)
    source = written(network, word, FACE, tmp_path)
    pruned, _ = step(source, "prune", tmp_path, flops=0.5)
    mended, outcome = step(pruned, "recover", tmp_path, samples=train(), source=source, epochs=6)
    assert mended.format == word
    assert outcome.details["loss"]["after"] < 0.5 * outcome.details["loss"]["before"]


def test_batchnorm_alone_brings_much_back(source, pruned, tmp_path: Path):
    """Given epochs: 0; Result: statistics anew, weights as they were."""
    mended, outcome = step(pruned, "recover", tmp_path, samples=train(), source=source, epochs=0)
    assert outcome.details["batchnorms"] == 3
    assert outcome.details["steps"] == 0
    assert outcome.details["loss"]["after"] < outcome.details["loss"]["before"]
    old, new = (dict(torch.jit.load(m.path).named_parameters()) for m in (pruned, mended))
    for name, weight in old.items():
        if weight.dim() > 1:
            torch.testing.assert_close(weight, new[name], rtol=0, atol=0)


def test_the_same_seed_gives_the_same_bytes_also_after_a_kill(source, pruned, tmp_path: Path,
                                                              monkeypatch):  # fmt: skip
    """Given a run killed in its fourth epoch; Result: the bytes of one that was not."""
    from optkit.pruning import distillation

    monkeypatch.setattr(distillation, "_SAVE_EVERY", 0.0)
    common = {"samples": train(120), "source": source, "epochs": 6}
    whole, _ = step(pruned, "recover", tmp_path, **common)

    def killed(done, total, text=""):
        if done == 4:
            raise KeyboardInterrupt

    place = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        step(pruned, "recover", tmp_path, checkpoint=place, progress=killed, **common)
    assert (place / "checkpoint.pt").is_file()
    seen = []
    resumed, _ = step(pruned, "recover", tmp_path, checkpoint=place,
                      progress=lambda *told: seen.append(told[0]), **common)  # fmt: skip
    assert seen[0] > 1, "it began anew"
    assert resumed.digest == whole.digest


def test_a_damaged_checkpoint_is_as_good_as_none(source, pruned, tmp_path: Path):
    place = tmp_path / "checkpoint"
    place.mkdir()
    (place / "checkpoint.pt").write_bytes(b"half of i")
    common = {"samples": train(80), "source": source, "epochs": 2}
    one, _ = step(pruned, "recover", tmp_path, checkpoint=place, **common)
    two, _ = step(pruned, "recover", tmp_path, **common)
    assert one.digest == two.digest


def test_seconds_bound_it_and_the_epochs_are_recorded(source, pruned, tmp_path: Path):
    _, outcome = step(pruned, "recover", tmp_path, samples=train(80), source=source, epochs=500,
                      seconds=0.01)  # fmt: skip
    assert outcome.details["epochs"] == 1


def test_labels_are_used_where_there_are_any(source, pruned, tmp_path: Path):
    labelled = images(digits()[0].numpy()[:320], digits()[2].numpy()[:320])
    with_labels, _ = step(pruned, "recover", tmp_path, samples=labelled, source=source, epochs=3)
    without, _ = step(pruned, "recover", tmp_path, samples=labelled, source=source, epochs=3,
                      labels=0)  # fmt: skip
    assert with_labels.digest != without.digest


def test_the_source_itself_has_nothing_to_recover(source, tmp_path: Path):
    _, outcome = step(source, "recover", tmp_path, samples=train(10))
    assert outcome.path is None
    assert "nothing was taken" in outcome.reason


def test_one_sample_is_too_few(source, pruned, tmp_path: Path):
    with pytest.raises(OptkitError, match="at least two samples"):
        step(pruned, "recover", tmp_path, samples=train(1), source=source)


def test_synthesised_samples_will_do(source, pruned, tmp_path: Path):
    _, outcome = step(pruned, "recover", tmp_path, source=source, epochs=4)
    assert outcome.details["loss"]["after"] < outcome.details["loss"]["before"]


def test_a_network_of_fixed_batch_is_fed_sample_by_sample(tmp_path: Path):
    """Given a network that mixes its batch; Result: trained one sample at a time."""

    class Mixing(Plain):
        def forward(self, image):
            found = super().forward(image)
            return found - found.flatten().roll(1).reshape(found.shape)

    torch.manual_seed(0)
    source = written(Mixing(SMALL).eval(), "exported", FACE, tmp_path)
    pruned, _ = step(source, "prune", tmp_path, flops=0.5)
    _, outcome = step(pruned, "recover", tmp_path, samples=train(10), source=source, epochs=1)
    assert outcome.details["steps"] == 8
    assert np.isfinite(outcome.details["loss"]["after"])
