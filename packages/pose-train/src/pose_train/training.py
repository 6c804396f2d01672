"""A training run from its settings to its weights."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from pose_data import (
    ModelCard,
    PoseDataset,
    PoseError,
    Samples,
    SettingsError,
    load_settings,
    open_dataset,
    read_data_settings,
)
from pose_eval import PoseMetrics
from pose_nn import PoseNet, TorchRuntime, save_checkpoint
from torch import Tensor, nn

from pose_train.batches import Batch
from pose_train.ema import WeightAverage
from pose_train.events import EpochEvent, Listener, MessageEvent, StartEvent, StepEvent, TrainEvent
from pose_train.loader import AugmentedImages, EpochOrder, KeptImages, make_loader
from pose_train.losses import LOSS_NAMES, Gains, PoseLoss
from pose_train.optimizer import choose_optimizer, make_optimizer
from pose_train.pictures import write_batch_picture, write_validation_picture
from pose_train.resume import Progress, load_state, save_state
from pose_train.run_folder import RunFolder, find_run_folder, loss_columns, make_run_folder, metric_columns
from pose_train.schedule import WarmUp, learning_rate_factor
from pose_train.settings import TrainSettings
from pose_train.start import Start, make_start
from pose_train.validate import validate

GRADIENT_NORM = 10.0  # the recipe clips above it
BATCH_PICTURES = 3
BIAS_START_AUTO = 0.0  # AdamW's first steps are full steps: a high bias rate would throw the biases away


class TrainingError(PoseError):
    """A run can't go on."""


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves.

    Args:
        run_folder: with settings.yaml, results.csv, weights and pictures.
        best: weights of the best epoch (of the last one when nothing was validated).
        last: weights of the last epoch.
        metrics: of the best weights; None when nothing was validated.
        epochs: that were trained.
        seconds: that it took.
    """

    run_folder: Path
    best: Path
    last: Path
    metrics: PoseMetrics | None
    epochs: int
    seconds: float


def train(
    settings: TrainSettings,
    *,
    train_samples: Samples | None = None,
    val_samples: Samples | None = None,
    on_event: Listener | None = None,
) -> TrainResult:
    """Train a network.

    Args:
        settings: of the run; with `resume`, those of the run that is continued are taken.
        train_samples: images to learn from, in place of the train split of settings.data.
        val_samples: images to validate on, in place of the val split of settings.data.
        on_event: called with every message, step, validated batch and epoch.

    Raises:
        PoseError: a setting, a data set or a checkpoint that can't be used, or a loss that isn't finite.
    """
    folder = find_run_folder(settings.resume) if settings.resume else None
    if folder:
        settings = dataclasses.replace(load_settings(TrainSettings, folder.settings), resume=settings.resume)
    learnt, held_out = _open_samples(settings, train_samples, val_samples)
    with _reproducible(settings):
        run = _Run(settings, learnt, held_out, on_event or _ignore)
        if folder:
            run.progress = load_state(folder.state, net=run.net, average=run.average, optimizer=run.optimizer)
            run.say(f"going on after epoch {run.progress.epoch} of {run.progress.epochs}")
        return run.run(folder or make_run_folder(settings))


def _open_samples(
    settings: TrainSettings, learnt: Samples | None, held_out: Samples | None
) -> tuple[Samples, Samples | None]:
    """Open the splits that the caller didn't give."""
    cache = Path(settings.project).parent / "cache"  # shared by the runs, so that the next one needn't read all labels
    if learnt is None:
        data = read_data_settings(settings.data)
        learnt = open_dataset(data, "train", cache_dir=cache, skip_bad=settings.skip_bad)
    if held_out is None and settings.val:
        data = read_data_settings(settings.data)
        held_out = open_dataset(data, "val", cache_dir=cache, skip_bad=settings.skip_bad)
    return learnt, held_out if settings.val else None


class _Run:
    """The moving parts of one run."""

    def __init__(
        self,
        settings: TrainSettings,
        train_samples: Samples,
        val_samples: Samples | None,
        listener: Listener,
    ) -> None:
        self.settings, self.listener, self.val_samples = settings, listener, val_samples
        start = make_start(settings, train_samples)
        self.card = start.card
        for note in (*start.notes, *_data_notes(train_samples), *_data_notes(val_samples)):
            self.say(note)
        self.accelerator = _make_accelerator(settings)
        self.order, self.loader = _make_loader(settings, train_samples, self.accelerator.device)
        self.accumulate = max(round(settings.nbs / settings.batch), 1)
        self.net, self.average, self.optimizer, self.warm_up = self._make_learner(start)
        self.loss = _make_loss(settings, train_samples)
        self.progress = Progress(epochs=settings.epochs)
        self.best_metrics: PoseMetrics | None = None

    def say(self, text: str) -> None:
        """Tell the listener a sentence."""
        self.listener(MessageEvent(text))

    def run(self, folder: RunFolder) -> TrainResult:
        """Train until the epochs, the time or the patience are used up."""
        self.folder = folder
        self.listener(StartEvent(folder.path))
        while self.progress.epoch < self.progress.epochs:
            self._run_epoch()
            if self._out_of_patience():
                self.say(f"no better epoch in {self.settings.patience}: stopping")
                break
        return self._finish()

    def _make_learner(self, start: Start) -> tuple[PoseNet, WeightAverage[PoseNet], torch.optim.Optimizer, WarmUp]:
        settings = self.settings
        _freeze(start.net, settings.freeze)
        batches = len(self.order)
        steps = math.ceil(batches / self.accumulate) * settings.epochs
        name, lr = choose_optimizer(
            settings.optimizer, iterations=steps, num_classes=start.net.num_classes, lr0=settings.lr0
        )
        momentum = 0.9 if settings.optimizer == "auto" else settings.momentum
        decay = settings.weight_decay * settings.batch * self.accumulate / settings.nbs
        net: PoseNet = start.net.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(net, name, lr=lr, momentum=momentum, weight_decay=decay)
        average = WeightAverage(net)
        warm_up = WarmUp(
            steps=round(min(settings.warmup_epochs, settings.epochs - 1) * batches),
            bias_lr=BIAS_START_AUTO if settings.optimizer == "auto" else settings.warmup_bias_lr,
            momentum=settings.warmup_momentum,
            final_momentum=settings.momentum,
            accumulate=self.accumulate,
        )
        self.say(f"{name}, first learning rate {lr:g}, {batches} batches of {settings.batch} per epoch")
        prepared, optimizer = self.accelerator.prepare(net, optimizer)
        return prepared, average, optimizer, warm_up

    def _run_epoch(self) -> None:
        began = time.perf_counter()
        self.order.epoch = self.progress.epoch
        self.order.mix = self.progress.epoch < self.progress.epochs - self.settings.close_mosaic
        losses = self._learn_epoch(began)
        metrics = self._validate() if self.val_samples is not None else None
        self.progress.epoch += 1
        self.progress.seconds += time.perf_counter() - began
        better = self._keep(metrics)
        self._plan_epochs()
        self._write(losses, metrics, better)
        self.listener(
            EpochEvent(
                epoch=self.progress.epoch,
                epochs=self.progress.epochs,
                losses=losses,
                metrics=metrics,
                learning_rate=self.optimizer.param_groups[-1]["lr"],
                seconds=time.perf_counter() - began,
                best=better,
            )
        )

    def _learn_epoch(self, began: float) -> dict[str, float]:
        self.net.train()
        _hold_frozen(self.net)
        sums = torch.zeros(len(LOSS_NAMES))
        images = 0
        for step, batch in enumerate(self.loader, start=1):
            items = self._learn(batch.to(self.accelerator.device))
            sums += items
            images += len(batch.images)
            if self.progress.epoch == 0 and step <= BATCH_PICTURES and self.settings.plots:
                write_batch_picture(self.folder.path / f"train_batch{step}.jpg", batch, self.card.skeleton)
            self.listener(self._step_event(step, sums / step, images / (time.perf_counter() - began)))
        return {name: float(value) for name, value in zip(LOSS_NAMES, sums / len(self.order), strict=True)}

    def _learn(self, batch: Batch) -> Tensor:
        """Learn one batch; return its losses."""
        epoch, epochs = self.progress.epoch, self.progress.epochs
        factor = learning_rate_factor(epoch, epochs=epochs, lrf=self.settings.lrf, cosine=self.settings.cos_lr)
        wanted = self.warm_up.apply(self.optimizer, self.progress.steps, factor)
        with self.accelerator.autocast():
            images = batch.images.to(memory_format=torch.channels_last).float() / 255
            raw = self.net(images)
        losses = self.loss(raw, batch.targets)
        if not torch.isfinite(losses.total):
            raise TrainingError(
                f"the loss is {losses.total.item()} in epoch {self.progress.epoch + 1}, at the images "
                f"{list(batch.indices)} of the training set; look at their labels, or lower lr0. "
                f"The last good weights are in '{self.folder.path / 'weights'}'"
            )
        self.accelerator.backward(losses.total)
        self.progress.steps += 1
        self.progress.waiting += 1
        if self.progress.waiting >= wanted:
            self._step()
        return losses.items.cpu()

    def _step(self) -> None:
        self.accelerator.clip_grad_norm_(self.net.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.accelerator.unwrap_model(self.net))
        self.progress.waiting = 0

    def _step_event(self, step: int, losses: Tensor, images_per_second: float) -> StepEvent:
        done = self.progress.epoch + step / len(self.order)
        per_epoch = self.settings.batch * len(self.order) / images_per_second
        if self.progress.epoch:
            per_epoch = self.progress.seconds / self.progress.epoch
        return StepEvent(
            epoch=self.progress.epoch + 1,
            epochs=self.progress.epochs,
            step=step,
            steps=len(self.order),
            losses={name: float(value) for name, value in zip(LOSS_NAMES, losses, strict=True)},
            images_per_second=images_per_second,
            seconds_left=(self.progress.epochs - done) * per_epoch,
        )

    def _validate(self) -> PoseMetrics:
        assert self.val_samples is not None
        runtime = TorchRuntime(self.average.net, self.card, device=str(self.accelerator.device))
        result = validate(
            runtime,
            self.val_samples,
            imgsz=self.settings.imgsz,
            batch=self.settings.batch,
            on_event=self.listener,
        )
        return result.metrics

    def _keep(self, metrics: PoseMetrics | None) -> bool:
        """Note whether this epoch is the best so far."""
        value = fitness(metrics) if metrics is not None else float(self.progress.epoch)
        better = value > self.progress.best_fitness
        if better:
            self.progress.best_fitness, self.progress.best_epoch = value, self.progress.epoch
            self.best_metrics = metrics
        return better

    def _plan_epochs(self) -> None:
        """Fit the number of epochs to the time that is left, when the run has a budget of time."""
        if self.settings.time is None:
            return
        per_epoch = self.progress.seconds / self.progress.epoch
        left = max(self.settings.time * 3600 - self.progress.seconds, 0.0)
        self.progress.epochs = self.progress.epoch + round(left / per_epoch)

    def _write(self, losses: dict[str, float], metrics: PoseMetrics | None, better: bool) -> None:
        row: dict[str, float] = {"seconds": self.progress.seconds, **loss_columns(losses)}
        if metrics is not None:
            row |= metric_columns(metrics)
        row["lr"] = self.optimizer.param_groups[-1]["lr"]
        self.folder.write_row(self.progress.epoch, row)
        net = self.accelerator.unwrap_model(self.net)
        save_state(self.folder.state, net=net, average=self.average, optimizer=self.optimizer, progress=self.progress)
        card = self._card_of_now(row)
        targets = [self.folder.last] + [self.folder.best] * better
        if self.settings.save_period and self.progress.epoch % self.settings.save_period == 0:
            targets.append(self.folder.epoch_weights(self.progress.epoch))
        for path in targets:
            save_checkpoint(path, self.average.net, card, half=True)

    def _card_of_now(self, row: dict[str, float]) -> ModelCard:
        facts = {name: f"{value:.4f}" for name, value in row.items() if name.startswith(("pose/", "box/"))}
        facts |= {"epoch": str(self.progress.epoch), "images_seen": str(self.progress.steps * self.settings.batch)}
        return dataclasses.replace(self.card, facts=facts)

    def _out_of_patience(self) -> bool:
        patience = self.settings.patience
        return bool(patience) and self.progress.epoch - self.progress.best_epoch >= patience

    def _finish(self) -> TrainResult:
        if self.settings.plots and self.val_samples is not None and self.progress.epoch:
            runtime = TorchRuntime(self.average.net, self.card, device=str(self.accelerator.device))
            write_validation_picture(
                self.folder.path / "validation.jpg", runtime, self.val_samples, imgsz=self.settings.imgsz
            )
        return TrainResult(
            run_folder=self.folder.path,
            best=self.folder.best,
            last=self.folder.last,
            metrics=self.best_metrics,
            epochs=self.progress.epoch,
            seconds=self.progress.seconds,
        )


def fitness(metrics: PoseMetrics) -> float:
    """Return what makes an epoch the best: box AP plus keypoint AP; a figure that can't be had counts 0."""
    return max(metrics.boxes.ap, 0.0) + max(metrics.keypoints.ap, 0.0)


def _data_notes(samples: Samples | None) -> tuple[str, ...]:
    """What was noticed when a data set was read, such as rows that were dropped."""
    return tuple(samples.notes) if isinstance(samples, PoseDataset) else ()


def _make_accelerator(settings: TrainSettings) -> Accelerator:
    AcceleratorState._reset_state(reset_partial_state=True)  # a run before this one may have asked for another device
    on_cpu = settings.device == "cpu"
    has_gpu = not on_cpu and torch.cuda.is_available()
    precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if has_gpu and settings.amp else "no"
    return Accelerator(cpu=on_cpu, mixed_precision=precision)


def _make_loader(settings: TrainSettings, samples: Samples, device: torch.device) -> tuple[EpochOrder, Iterable[Batch]]:
    if not len(samples):
        raise SettingsError(f"{settings.data}: the training split must hold at least one image; got none")
    if settings.cache == "ram":
        samples = KeptImages(samples)
        samples.fill()
    used = max(round(len(samples) * settings.fraction), 1)
    order = EpochOrder(used, batch=settings.batch, per_epoch=settings.images_per_epoch or used, seed=settings.seed)
    images = AugmentedImages(samples, size=settings.imgsz, settings=settings.augmentation(), seed=settings.seed)
    return order, make_loader(images, order, workers=settings.workers, pin_memory=device.type == "cuda")


def _make_loss(settings: TrainSettings, samples: Samples) -> PoseLoss:
    sigmas = torch.from_numpy(samples.skeleton.require_sigmas())
    gains = Gains(box=settings.box, pose=settings.pose, kobj=settings.kobj, cls=settings.cls, dfl=settings.dfl)
    return PoseLoss(sigmas, keypoint_dims=samples.keypoint_dims, gains=gains)


def _freeze(net: PoseNet, layers: int) -> None:
    for layer in list(net.model)[:layers]:
        layer.requires_grad_(False)


def _hold_frozen(net: nn.Module) -> None:
    """Keep the statistics of frozen layers as they are."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


@contextmanager
def _reproducible(settings: TrainSettings) -> Iterator[None]:
    """Seed torch, and take only deterministic algorithms for as long as the run goes on."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(settings.seed)
    torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _ignore(_event: TrainEvent) -> None:
    return None
