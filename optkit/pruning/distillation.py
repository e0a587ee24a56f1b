"""Teaches a pruned network what the original answers, on unlabelled samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.pruning import batchnorm, features
from optkit.pruning.checkpoint import State, restored, saved
from optkit.pruning.feeding import Feed
from optkit.pruning.weights import put, trainable, values

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, str], None]

_SMALLEST_BATCH = 8
_SAVE_EVERY = 5.0


@dataclass(frozen=True)
class Schedule:
    """How long and how to train.

    Attributes:
        epochs: passes over the samples, at most.
        seconds: stops before it would take longer; None for no bound.
        batch: samples per step, where they go together.
        rate: the learning rate at the start; it falls to 0 as a cosine.
        patience: epochs without progress on the held-out samples after which it stops.
        features: the weight of intermediate features beside the outputs.
        labelled: the weight of the labels beside the original's answers, where there are any.
        seed: decides the order of the samples and how they are mixed.
    """

    epochs: int
    seconds: float | None
    batch: int
    rate: float
    patience: int
    features: float
    labelled: float
    seed: int


def distil(
    student: torch.fx.GraphModule,
    teacher: torch.fx.GraphModule,
    feed: Feed,
    schedule: Schedule,
    folder: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train the student in place until it answers as the teacher does.

    Outputs are compared by their squared error relative to the teacher's spread, layers on the way
    by `features.distance`. Floating inputs are mixed with one another, which makes many samples of
    few (arXiv 1710.09412); the teacher answers for what was mixed. Every fifth sample is held out:
    the weights that do best there are kept.

    Args:
        student: a flat graph, batch free if the feed goes together.
        teacher: the same of the original.
        feed: at least two samples.
        schedule: how long.
        folder: where a checkpoint is kept, so that a killed run goes on; None for nowhere.
        progress: called with the epoch, their number and the loss.

    Returns:
        What was done: epochs, steps, losses before and after on held-out samples.
    """
    import torch

    held = [at for at in range(len(feed)) if at % 5 == 4] or [len(feed) - 1]
    learnt = [at for at in range(len(feed)) if at not in held]
    tensors = trainable(student)
    loss = _Loss(student, teacher, feed, schedule)
    optimizer = torch.optim.AdamW(tensors, schedule.rate, weight_decay=1e-4)
    before = loss.on(held)
    renewed = batchnorm.reestimate(student, _batches(feed, learnt, schedule.batch))
    state = State(best=loss.on(held), planned=schedule.epochs, weights=values(student))
    state = restored(folder, state, student, optimizer)
    began, kept_at = time.monotonic() - state.seconds, time.monotonic()
    while state.epoch < state.planned and state.stale < schedule.patience:
        _epoch(loss, learnt, optimizer, tensors, state, schedule)
        state.epoch += 1
        now = loss.on(held)
        if now < state.best:
            state.best, state.weights, state.stale = now, values(student), 0
        else:
            state.stale += 1
        state.seconds = time.monotonic() - began
        if schedule.seconds is not None and state.epoch == 1:  # as many as will fit
            fitting = max(1, math.floor(schedule.seconds / max(state.seconds, 1e-3)))
            state.planned = min(schedule.epochs, fitting)
        progress(state.epoch, state.planned, f"loss {now:.4f}")
        if schedule.seconds is not None and state.seconds >= schedule.seconds:
            break
        if folder is not None and time.monotonic() - kept_at > _SAVE_EVERY:
            saved(folder, state, student, optimizer)
            kept_at = time.monotonic()
    put(student, state.weights)
    return {
        "epochs": state.epoch, "steps": state.steps, "batchnorms": renewed,
        "features": len(loss.pairs), "loss": {"before": before, "after": state.best},
    }  # fmt: skip


def _epoch(
    loss: _Loss, learnt: Sequence[int], optimizer: Any, tensors: Sequence[torch.Tensor],
    state: State, schedule: Schedule,
) -> None:  # fmt: skip
    import torch

    draw = torch.Generator().manual_seed(schedule.seed * 100_003 + state.epoch)
    order = [learnt[at] for at in torch.randperm(len(learnt), generator=draw).tolist()]
    chosen = list(loss.feed.split(order, schedule.batch))
    if len(chosen) > 1 and len(chosen[-1]) < _SMALLEST_BATCH and loss.feed.together:
        chosen.pop()  # too few for statistics of their own
    for number, part in enumerate(chosen):
        share = (state.epoch + number / len(chosen)) / max(1, state.planned)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * (1 + math.cos(math.pi * min(1.0, share))) / 2
        optimizer.zero_grad()
        value = loss.of(part, draw)
        value.backward()
        torch.nn.utils.clip_grad_norm_(tensors, 5.0)
        optimizer.step()
        state.steps += 1


class _Loss:
    """How far the student is from the teacher."""

    def __init__(
        self, student: torch.fx.GraphModule, teacher: torch.fx.GraphModule, feed: Feed,
        schedule: Schedule,
    ) -> None:  # fmt: skip
        self.feed, self.schedule = feed, schedule
        wanted = schedule.features > 0 and feed.together
        self.pairs = features.anchors(student, teacher) if wanted else []
        alive = feed.together and schedule.batch >= _SMALLEST_BATCH
        moving = batchnorm.training(student) if alive else student
        self.student = features.tapped(moving, [pair[0] for pair in self.pairs])
        self.teacher = features.tapped(teacher, [pair[1] for pair in self.pairs])
        self.still, self.original = student, teacher
        self.mixes = feed.together and all(x.is_floating_point() for x in feed.samples[0])
        self.answers: dict[tuple[int, ...], Any] = {}

    def of(self, part: Sequence[int], draw: torch.Generator) -> torch.Tensor:
        """On a batch, in training."""
        import torch

        given, labels = self.feed.batch(part), self.feed.labels_of(part)
        share = 1.0
        if self.mixes and len(part) > 1 and float(torch.rand(1, generator=draw)) < 0.5:
            share = 0.5 + 0.5 * float(torch.rand(1, generator=draw))
            given = tuple(share * x + (1 - share) * x.roll(1, 0) for x in given)
        with torch.no_grad():
            want, on_the_way = self.teacher(*given)
        got, felt = self.student(*given)
        value = _apart(got, want)
        for mine, theirs in zip(felt, on_the_way, strict=True):
            value = value + self.schedule.features / len(felt) * features.distance(mine, theirs)
        scores = got[0]
        if labels is not None and self.schedule.labelled and scores.dim() == 2 and share == 1.0:
            told = torch.nn.functional.cross_entropy(scores, labels.long())
            value = value + self.schedule.labelled * told
        return value

    def on(self, chosen: Sequence[int]) -> float:
        """On samples, as the network will be used; of outputs alone."""
        import torch

        total, count = 0.0, 0
        with torch.no_grad():
            for part in self.feed.split(chosen, 64):
                key = tuple(part)
                given = self.feed.batch(part)
                if key not in self.answers:
                    self.answers[key] = self.original(*given)
                total += float(_apart(self.still(*given), self.answers[key])) * len(part)
                count += len(part)
        return total / count


def _apart(got: Sequence[torch.Tensor], want: Sequence[torch.Tensor]) -> torch.Tensor:
    """The squared error relative to the spread of what is wanted, the mean over the outputs."""
    import torch

    parts = []
    for mine, theirs in zip(got, want, strict=True):
        if theirs.is_floating_point():
            spread = (theirs - theirs.mean()).square().mean()
            parts.append((mine - theirs).square().mean() / (spread + 1e-8))
    return torch.stack(parts).mean()


def _batches(feed: Feed, chosen: Sequence[int], size: int) -> list[tuple[torch.Tensor, ...]]:
    return [feed.batch(part) for part in feed.split(chosen, size)]
