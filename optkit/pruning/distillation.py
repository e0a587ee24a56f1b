"""Teaches a pruned network what the original answers, on unlabelled samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optkit.pruning import batchnorm
from optkit.pruning.checkpoint import State, restored, saved
from optkit.pruning.feeding import Feed
from optkit.pruning.likeness import Likeness
from optkit.pruning.weights import put, trainable, values

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, str], None]

_SMALLEST_BATCH = 8
# Seconds between checkpoints; and how many times longer than writing one, at least.
_SAVE_EVERY, _SAVE_RARELY = 1.0, 20.0
# The share of the seconds after which it is known how many steps will fit, and the part of what
# is left that is planned for them.
_LOOK, _PLANNED = 0.2, 0.9


@dataclass(frozen=True)
class Schedule:
    """How long and how to train.

    Attributes:
        epochs: passes over the samples, at most.
        steps: steps in all, at most; None for no bound.
        seconds: stops before it would take longer; None for no bound.
        batch: samples per step, where they go together.
        rate: the learning rate; in the second half of the steps it falls to 0 as a cosine.
        patience: epochs without progress on the held-out samples after which it stops.
        features: the weight of intermediate features beside the outputs.
        labelled: the weight of the labels beside the original's answers, where there are any.
        seed: decides the order of the samples and how they are mixed.
    """

    epochs: int
    steps: int | None
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

    Outputs and layers on the way are compared as in `likeness`, on the samples and on mixtures of
    them. Every fifth sample is held out: the weights that do best there are kept. Where seconds
    are bounded, the first of them tell how many steps will fit; that number of `steps` in place of
    the seconds gives the same weights.

    Args:
        student: a flat graph, batch free if the feed goes together.
        teacher: the same of the original.
        feed: at least two samples.
        schedule: how long.
        folder: where a checkpoint is kept, so that a killed run goes on; None for nowhere.
        progress: called with the step, their number and the loss on held-out samples.

    Returns:
        What was done: epochs, steps, losses before and after on held-out samples.
    """
    import torch

    began = time.monotonic()
    held = [at for at in range(len(feed)) if at % 5 == 4] or [len(feed) - 1]
    learnt = [at for at in range(len(feed)) if at not in held]
    tensors = trainable(student)
    loss = Likeness(
        student, teacher, feed, learnt,
        features_weight=schedule.features, labels_weight=schedule.labelled,
        alive=schedule.batch >= _SMALLEST_BATCH, seed=schedule.seed,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(tensors, schedule.rate, weight_decay=1e-4)
    before = loss.on(held)
    chosen = feed.split(learnt, schedule.batch)
    renewed = batchnorm.reestimate(student, (feed.batch(part) for part in chosen))
    per_epoch, parts = len(_order(feed, learnt, schedule, 0)), list[Sequence[int]]()
    most = schedule.epochs * per_epoch
    most = most if schedule.steps is None else min(most, schedule.steps)
    state = State(best=loss.on(held), planned=most, weights=values(student))
    state = restored(folder, state, student, optimizer)
    began, now, next_save = began - state.seconds, state.best, time.monotonic() + _SAVE_EVERY
    late = schedule.seconds is not None and time.monotonic() - began >= schedule.seconds
    while state.steps < state.planned and state.stale < schedule.patience and not late:
        epoch, at = divmod(state.steps, per_epoch)
        if at == 0 or not parts:
            parts = _order(feed, learnt, schedule, epoch)
        stepping = time.monotonic()
        _step(loss, parts[at], optimizer, tensors, state, schedule)
        state.steps += 1
        state.stepping += time.monotonic() - stepping
        state.seconds = time.monotonic() - began
        state.planned = _fitting(state, schedule.seconds, most)
        late = schedule.seconds is not None and state.seconds >= schedule.seconds
        if at + 1 == per_epoch or state.steps == state.planned or late:
            now = loss.on(held)
            state.stale += 1
            if now < state.best:
                state.best, state.weights, state.stale = now, values(student), 0
        progress(state.steps, state.planned, f"loss {now:.4f}")
        if folder is not None and time.monotonic() > next_save:
            writing = time.monotonic()
            saved(folder, state, student, optimizer)
            spent = time.monotonic() - writing
            next_save = time.monotonic() + max(_SAVE_EVERY, _SAVE_RARELY * spent)
    put(student, state.weights)
    return {
        "epochs": round(state.steps / max(1, per_epoch), 2), "steps": state.steps,
        "batchnorms": renewed, "features": len(loss.pairs),
        "loss": {"before": before, "after": state.best},
    }  # fmt: skip


def _order(
    feed: Feed, learnt: Sequence[int], schedule: Schedule, epoch: int
) -> list[Sequence[int]]:
    """The batches of an epoch."""
    import torch

    draw = torch.Generator().manual_seed(schedule.seed * 100_003 + epoch)
    order = [learnt[at] for at in torch.randperm(len(learnt), generator=draw).tolist()]
    chosen = list(feed.split(order, schedule.batch))
    if len(chosen) > 1 and len(chosen[-1]) < _SMALLEST_BATCH and feed.together:
        chosen.pop()  # too few for statistics of their own
    return chosen


def _step(
    loss: Likeness, part: Sequence[int], optimizer: Any, tensors: Sequence[torch.Tensor],
    state: State, schedule: Schedule,
) -> None:  # fmt: skip
    import torch

    falling = max(0.0, 2 * state.steps / state.planned - 1)
    for group in optimizer.param_groups:
        group["lr"] = schedule.rate * (1 + math.cos(math.pi * falling)) / 2
    optimizer.zero_grad()
    loss.of(part, state.steps).backward()
    torch.nn.utils.clip_grad_norm_(tensors, 5.0)
    optimizer.step()


def _fitting(state: State, seconds: float | None, most: int) -> int:
    """How many steps to plan for; the learning rate so far does not hang on it."""
    if seconds is None or state.seconds < _LOOK * seconds or 2 * state.steps >= state.planned:
        return state.planned
    left = _PLANNED * (seconds - state.seconds) * state.steps / state.stepping
    return min(most, max(2 * state.steps, state.steps + math.floor(left)))
