"""What the original is asked, how often, and what it says of mixtures."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optkit.pruning import features, teacher
from optkit.pruning.feeding import Feed
from optkit.pruning.teacher import MIXTURES, Teacher

LEARNT = [at for at in range(150) if at % 5 != 4]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1),
        nn.Flatten(), nn.Linear(256, 5),
    )  # fmt: skip


@pytest.fixture
def feed() -> Feed:
    torch.manual_seed(1)
    return Feed(tuple((torch.rand(1, 1, 8, 8),) for _ in range(150)), None, together=True)


def asked(feed: Feed, seed: int = 0) -> tuple[Teacher, list[int]]:
    """A teacher of two features, the second pooled, and the batches that its network was asked."""
    example = torch.rand(2, 1, 8, 8)
    batch = torch.export.Dim("batch", min=1, max=512)
    program = torch.export.export(network().eval(), (example,), dynamic_shapes=[{0: batch}])
    graph = program.module(check_guards=False)
    graph.graph.set_codegen(torch.fx.graph.CodeGen())
    convs = [node for node in graph.graph.nodes if "conv2d" in str(node.target)]
    tapped = features.tapped(torch.fx.GraphModule(graph, graph.graph), convs)
    seen: list[int] = []
    true = tapped.forward

    def counted(image):
        seen.append(len(image))
        return true(image)

    tapped.forward = counted
    return Teacher(tapped, [1], feed, LEARNT, seed), seen


def test_every_sample_is_asked_once_in_a_turn(feed):
    """Given five epochs in any order; Result: the network sees each learnt sample once."""
    told, seen = asked(feed)
    seen.clear()
    for epoch in range(5):
        order = torch.randperm(len(LEARNT), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(32):
            told.of([LEARNT[row] for row in rows], 0)
    assert sum(seen) == len(LEARNT)


@pytest.mark.parametrize("turn", [0, 1, MIXTURES])
def test_what_is_kept_is_what_would_be_computed(feed, turn, monkeypatch):
    """Given room for all or for nothing; Result: the same inputs, answers and features."""
    part = [LEARNT[row] for row in (100, 3, 64, 65, 7)]
    kept = asked(feed)[0].of(part, turn)
    monkeypatch.setattr(teacher, "_MOST_BYTES", 0)
    computed = asked(feed)[0].of(part, turn)
    for one, other in zip(kept, computed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    (image,), (scores,), (first, second) = kept
    assert image.shape == (5, 1, 8, 8)
    assert scores.shape == (5, 5)
    assert first.shape == (5, 6, 8, 8)
    assert second.shape == (5, 4, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(network().eval()(image), scores, rtol=1e-4, atol=1e-5)


def test_a_mixture_is_of_two_learnt_samples_and_mostly_of_the_first(feed):
    told, _ = asked(feed)
    own = torch.cat([feed.samples[at][0] for at in LEARNT]).flatten(1)
    (image,), _, _ = told.of(LEARNT, 1)
    rest = image.flatten(1) - 0.5 * own
    assert (rest > -1e-6).all(), "at least half of it is the sample's own"
    again = asked(feed)[0].of(LEARNT, 1)[0][0]
    other = asked(feed, seed=1)[0].of(LEARNT, 1)[0][0]
    assert torch.equal(image, again)
    assert not torch.equal(image, other)


def test_samples_that_do_not_go_together_are_never_mixed_nor_kept(feed):
    told, seen = asked(feed.apart())
    assert told.turns == 1
    seen.clear()
    for _ in range(2):
        told.of([0], 0)
    assert seen == [1, 1]
