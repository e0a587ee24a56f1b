"""recover: accuracy back without labels, the same each time, also after a kill."""

from __future__ import annotations

import time
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
    assert [seen[:2] for seen in told] == [(at, 48) for at in range(1, 49)]
    assert all(seen[2].startswith("loss ") for seen in told)


@pytest.mark.parametrize("word", ["exported", "onnx"])
def test_other_formats_recover_too(word, tmp_path: Path):
    network = trained(Plain, epochs=5, channels=SMALL)
    source = written(network, word, FACE, tmp_path)
    pruned, _ = step(source, "prune", tmp_path, flops=0.5)
    mended, outcome = step(pruned, "recover", tmp_path, samples=train(), source=source, epochs=8)
    assert mended.format == word
    assert outcome.details["loss"]["after"] < 0.6 * outcome.details["loss"]["before"]


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
    """Given a run killed in its fourth step; Result: the bytes of one that was not."""
    from optkit.pruning import distillation

    monkeypatch.setattr(distillation, "_SAVE_EVERY", 0.0)
    monkeypatch.setattr(distillation, "_SAVE_RARELY", 0.0)
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


def test_seconds_bound_it_and_the_steps_that_fitted_replay_it(source, pruned, tmp_path: Path):
    """Given fewer seconds than epochs would take; Result: over in time, the same from `steps`."""
    common = {"samples": train(), "source": source, "epochs": 100_000, "patience": 100_000}
    told = []
    began = time.monotonic()
    bound, outcome = step(pruned, "recover", tmp_path, seconds=8, **common,
                          progress=lambda *seen: told.append(seen))  # fmt: skip
    spent = time.monotonic() - began
    steps = outcome.details["steps"]
    assert told[0][1] == 400_000
    assert 0 < steps <= told[-1][1] < 400_000
    assert spent < 60, "it must end, on however slow a machine"
    if steps == told[-1][1]:  # not so where the machine has become slower meanwhile
        again, _ = step(pruned, "recover", tmp_path, steps=steps, **common)
        assert again.digest == bound.digest


def test_hardly_any_seconds_measure_batchnorm_alone(source, pruned, tmp_path: Path):
    _, outcome = step(pruned, "recover", tmp_path, samples=train(80), source=source, seconds=0.01)
    assert outcome.details["steps"] == 0
    assert outcome.details["batchnorms"] == 3


def test_labels_say_what_the_source_did_not_know(tmp_path: Path):
    """Given a source that is often wrong; Result: with labels a network better than it."""
    weak = trained(Plain, epochs=1, channels=SMALL)
    source = written(weak, "exported", FACE, tmp_path)
    pruned, _ = step(source, "prune", tmp_path, flops=0.5)
    samples = images(digits()[0].numpy()[:640], digits()[2].numpy()[:640])
    common = {"samples": samples, "source": source, "epochs": 8}
    taught, _ = step(pruned, "recover", tmp_path, labels=10, **common)
    copied, _ = step(pruned, "recover", tmp_path, labels=0, **common)
    judged = digits()[1].numpy()
    known, with_labels, without = (
        accuracy(answers(model, judged)) for model in (source, taught, copied)
    )
    assert with_labels > without + 0.02
    assert with_labels > known + 0.02


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
