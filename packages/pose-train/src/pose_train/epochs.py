"""One pass over the training images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import torch

from pose_train.batches import Batch
from pose_train.engine import Engine
from pose_train.events import StepEvent
from pose_train.interrupts import Interrupts
from pose_train.learner import Learner
from pose_train.order import EpochOrder
from pose_train.resume import Progress

BatchSeen = Callable[[int, Batch], None]


class StoppedError(Exception):
    """Somebody asked for the end, and the step that was going on is done."""


class EpochLearner:
    """Learns the batches of an epoch, from the first or from where a run was stopped.

    Args:
        learner: what learns.
        order: of the batches.
        loader: of them.
        engine: device and processes.
        interrupts: looked at after each step.
    """

    def __init__(
        self,
        learner: Learner,
        order: EpochOrder,
        loader: Iterable[Batch],
        *,
        engine: Engine,
        interrupts: Interrupts,
    ) -> None:
        self.learner, self.order, self.loader = learner, order, loader
        self.engine, self.interrupts = engine, interrupts
        self._ahead: Iterator[Batch] | None = None
        self._ahead_of: tuple[int, int, bool] | None = None

    def learn(
        self,
        progress: Progress,
        *,
        mix: bool,
        out_of_time: Callable[[], bool],
        on_step: Callable[[StepEvent], None],
        on_batch: BatchSeen | None = None,
    ) -> dict[str, float]:
        """Learn the rest of an epoch, or what there is time for; never less than a step of the optimizer.

        Args:
            progress: moved on with every batch.
            mix: whether images are mixed with others.
            out_of_time: asked after each step of the optimizer, in all processes at once.
            on_step: told of every batch.
            on_batch: shown every batch, with its number from 1, after it was learnt.

        Returns:
            Mean losses of the epoch by name.

        Raises:
            NotFiniteError: a loss or a gradient is no number.
            StoppedError: the end was asked for; progress says where.
        """
        # A run that was stopped while it validated what it had time for has learnt all of it.
        done = progress.step > 0 and not progress.waiting and out_of_time()
        batches: Iterable[Batch] = () if done else self._batches(progress.epoch, progress.step, mix)
        self.learner.begin_epoch()
        names = self.learner.loss_names
        sums = torch.tensor(progress.sums or [0.0] * len(names))
        began, first = time.perf_counter(), progress.step
        for batch in batches:
            sums += self.learner.learn(batch.to(self.engine.device), progress)
            progress.sums = sums.tolist()
            speed = (progress.step - first) * self.order.batch / (time.perf_counter() - began)
            losses = dict(zip(names, (sums / progress.step).tolist(), strict=True))
            on_step(self._event(progress, losses, speed))
            if on_batch is not None:
                on_batch(progress.step, batch)
            if self.engine.any(self.interrupts.asked):
                raise StoppedError
            if not progress.waiting and out_of_time():
                break
        return dict(zip(names, (sums / progress.step).tolist(), strict=True))

    def load_ahead(self, epoch: int, *, mix: bool) -> None:
        """Have the loader begin an epoch before it is learnt, while something else goes on."""
        self._ahead = self._batches(epoch, 0, mix)
        self._ahead_of = (epoch, 0, mix)

    def _batches(self, epoch: int, done: int, mix: bool) -> Iterator[Batch]:
        """Begin an epoch, unless that was done ahead."""
        ahead, ahead_of = self._ahead, self._ahead_of
        self._ahead = self._ahead_of = None
        if ahead is not None and ahead_of == (epoch, done, mix):
            return ahead
        self.order.epoch, self.order.done, self.order.mix = epoch, done, mix
        return iter(self.loader)

    def _event(self, progress: Progress, losses: dict[str, float], images_per_second: float) -> StepEvent:
        steps = len(self.order)
        per_epoch = self.order.batch * steps / images_per_second
        if progress.epoch:
            per_epoch = progress.seconds / progress.epoch
        return StepEvent(
            epoch=progress.epoch + 1,
            epochs=progress.epochs,
            step=progress.step,
            steps=steps,
            losses=losses,
            images_per_second=images_per_second,
            seconds_left=(progress.epochs - progress.epoch - progress.step / steps) * per_epoch,
        )
