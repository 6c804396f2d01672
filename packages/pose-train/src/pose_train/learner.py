"""All that learns, and one step of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pose_data import Samples
from pose_nn import PoseNet
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from pose_train.batches import Batch, BatchTargets
from pose_train.ema import WeightAverage
from pose_train.engine import Engine
from pose_train.failures import NotFiniteError
from pose_train.heatmaps import heatmap_loss, make_heatmaps, mark_known_cells
from pose_train.losses import LOSS_NAMES, Gains, PoseLoss
from pose_train.optimizer import OptimizerPlan, freeze_layers, hold_frozen, make_optimizer, plan_optimizer
from pose_train.replay import Replay
from pose_train.resume import Progress
from pose_train.schedule import WarmUp, learning_rate_factor
from pose_train.settings import TrainSettings
from pose_train.shared_norm import share_batch_norm
from pose_train.student import Student, StudentOutputs

GRADIENT_NORM = 10.0  # the recipe clips above it
BIAS_START_AUTO = 0.0  # AdamW's first steps are full steps: a high bias rate would throw the biases away
AUTO_MOMENTUM = 0.9
LOWER_RATE = 0.5  # the learning rate after each recovery from a loss that was no number
HEATMAP, LIKELIHOOD = "heatmap", "likelihood"


@dataclass
class Learner:
    """The moving parts of a run: changed in place by every step.

    Args:
        student: the network that learns, with its branches if any.
        average: the averaged weights, which are validated and kept.
        optimizer: of the student.
        warm_up: how the first steps begin.
        loss: of the network's raw outputs.
        settings: of the run.
        engine: the processes that share the work.
        plan: what the optimizer is.
        description: of the plan, in words.
        prepared: the student as the engine runs it; the same object where there is one process.
        replay: runs the network by CUDA graphs, where it can.
    """

    student: Student
    average: WeightAverage[PoseNet]
    optimizer: Optimizer
    warm_up: WarmUp
    loss: PoseLoss
    settings: TrainSettings
    engine: Engine
    plan: OptimizerPlan
    description: str
    prepared: nn.Module
    replay: Replay | None = None

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the losses that `learn` returns."""
        likelihood = (LIKELIHOOD,) * (self.student.likelihood is not None)
        return (*LOSS_NAMES, *likelihood, *(HEATMAP,) * (self.student.branch is not None))

    @property
    def learning_rate(self) -> float:
        """Of convolution weights, now."""
        return float(self.optimizer.param_groups[-1]["lr"])

    def begin_epoch(self) -> None:
        """Set the modes of all layers for learning."""
        self.prepared.train()
        hold_frozen(self.student)

    def learn(self, batch: Batch, progress: Progress) -> Tensor:
        """Learn one batch, and step when enough of them have added up.

        Args:
            batch: on the engine's device.
            progress: counts the batch.

        Returns:
            Losses of the batch by loss_names, over all processes, on the CPU.

        Raises:
            NotFiniteError: a loss or a gradient is no number.
        """
        wanted = self._set_rates(progress)
        batch = self._resized(batch, progress)
        total, items = self._losses(self._forward(batch.images), batch)
        items = self.engine.total(items).cpu()
        if not torch.isfinite(items).all():
            raise NotFiniteError("loss", value=float(items.sum()), step=progress.step + 1)
        self.engine.accelerator.backward(total)
        progress.steps += 1
        progress.waiting += 1
        if progress.waiting >= wanted:
            self._step(progress)
        progress.step += 1
        return items

    def _set_rates(self, progress: Progress) -> int:
        """Set learning rates and momentum; return how many batches make a step now."""
        settings = self.settings
        factor = learning_rate_factor(progress.epoch, epochs=progress.epochs, lrf=settings.lrf, cosine=settings.cos_lr)
        return self.warm_up.apply(self.optimizer, progress.steps, factor, scale=LOWER_RATE**progress.recoveries)

    def _forward(self, images: Tensor) -> StudentOutputs:
        """Run the network on (B, 3, H, W) uint8 images; a last batch that is smaller isn't what was recorded."""
        raw = self.replay(images) if self.replay is not None else None
        if raw is not None:
            return StudentOutputs(raw)
        with self.engine.accelerator.autocast():
            outputs: StudentOutputs = self.prepared(images.to(memory_format=torch.channels_last).float() / 255)
        return outputs

    def _losses(self, outputs: StudentOutputs, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the scalar to take gradients of, and this process's part of each loss."""
        losses = self.loss(outputs.raw, batch.targets, outputs.likelihood)
        if not outputs.heatmaps:
            return losses.total, losses.items
        targets = self.loss.as_learnt(batch.targets)
        labelled, images = self.engine.total(
            torch.stack([(targets.visibility > 0).sum(), torch.tensor(len(batch.images), device=self.engine.device)])
        )
        ignored = self.loss.ignored(batch.targets) if self.settings.occluded == "ignored" else None
        parts = [
            _heatmap_loss(logits.float(), targets, ignored, stride=stride)
            for logits, stride in zip(outputs.heatmaps, outputs.raw.strides, strict=True)
        ]
        heatmap = torch.stack(parts).sum() / labelled.clamp(min=1) * self.settings.heatmap
        total = losses.total + heatmap * images * self.engine.world
        return total, torch.cat([losses.items, heatmap.detach()[None]])

    def _step(self, progress: Progress) -> None:
        norm = self.engine.accelerator.clip_grad_norm_(self.prepared.parameters(), GRADIENT_NORM)
        scaled = self.engine.accelerator.scaler is not None  # a scaler expects such gradients, and skips them
        if not scaled and not torch.isfinite(norm):
            raise NotFiniteError("gradient", value=float(norm), step=progress.step + 1)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.student.net)
        progress.waiting = 0

    def _resized(self, batch: Batch, progress: Progress) -> Batch:
        """Change the size of a batch, by a draw that depends on seed and step alone."""
        change = self.settings.multi_scale
        if not change:
            return batch
        stride = self.student.net.stride
        generator = np.random.default_rng([self.settings.seed, progress.epoch, progress.step])
        side = max(round(self.settings.imgsz * generator.uniform(1 - change, 1 + change) / stride), 1) * stride
        return resize_batch(batch, side)


def _heatmap_loss(logits: Tensor, targets: BatchTargets, ignored: Tensor | None, *, stride: int) -> Tensor:
    """Compare the heatmaps of a level, (B, K, H, W) logits, with those of the people, where something is known."""
    images, _, height, width = logits.shape
    wanted = make_heatmaps(targets, images=images, level=(height, width), stride=stride)
    if ignored is None:
        return heatmap_loss(logits, wanted)
    known = mark_known_cells(targets, ignored, images=images, level=(height, width), stride=stride)
    return heatmap_loss(logits, wanted, known)


def resize_batch(batch: Batch, side: int) -> Batch:
    """Scale the square images of a batch, and the people in them, to another side in pixels."""
    before = batch.images.shape[3]
    if side == before or not len(batch.images):
        return batch
    images = functional.interpolate(batch.images.float(), size=(side, side), mode="bilinear", align_corners=False)
    targets = batch.targets.scaled(side / before)
    return Batch(images.round().clamp(0, 255).to(torch.uint8), targets)


def make_learner(
    settings: TrainSettings, net: PoseNet, samples: Samples, engine: Engine, *, batches: int, images: int
) -> Learner:
    """Put together what learns.

    Args:
        settings: of the run.
        net: with its first weights.
        samples: the training images.
        engine: device and processes.
        batches: of an epoch.
        images: of an epoch.
    """
    freeze_layers(net.model, settings.freeze)
    plan = plan_optimizer(settings, images=images, num_classes=net.num_classes)
    accumulate = min(max(round(plan.nbs / settings.batch), 1), batches)  # a step in every epoch, however short it is
    net = net.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = WeightAverage(net)
    student = Student(net, with_heatmaps=settings.heatmap > 0, with_likelihood=settings.likelihood > 0).to(
        engine.device
    )
    if engine.world > 1 and settings.deterministic:
        share_batch_norm(student, engine.device)
    optimizer = make_optimizer(
        student,
        plan.name,
        lr=plan.lr,
        momentum=AUTO_MOMENTUM if settings.optimizer == "auto" else settings.momentum,
        weight_decay=settings.weight_decay * settings.batch * accumulate / plan.nbs,
    )
    prepared, optimizer = engine.accelerator.prepare(student, optimizer)
    return Learner(
        student=student,
        average=average,
        optimizer=optimizer,
        warm_up=_make_warm_up(settings, batches=batches, accumulate=accumulate),
        loss=_make_loss(settings, samples, engine),
        settings=settings,
        engine=engine,
        plan=plan,
        description=_describe(plan, settings.batch, accumulate=accumulate, batches=batches),
        prepared=prepared,
        replay=_make_replay(settings, student, engine),
    )


def _make_replay(settings: TrainSettings, student: Student, engine: Engine) -> Replay | None:
    """Replay where one process learns by the network alone, on a GPU, in batches of one shape."""
    alone = engine.world == 1 and student.branch is None and student.likelihood is None
    if not settings.graphs or engine.device.type != "cuda" or not alone or settings.multi_scale:
        return None
    return Replay(student.net, precision=engine.precision)


def _describe(plan: OptimizerPlan, batch: int, *, accumulate: int, batches: int) -> str:
    steps = "" if accumulate == 1 else f", a step for every {accumulate} of them"
    return f"{plan.name}, first learning rate {plan.lr:g}, {batches} batches of {batch} per epoch{steps}"


def _make_warm_up(settings: TrainSettings, *, batches: int, accumulate: int) -> WarmUp:
    return WarmUp(
        steps=round(min(settings.warmup_epochs, settings.epochs - 1) * batches),
        bias_lr=BIAS_START_AUTO if settings.optimizer == "auto" else settings.warmup_bias_lr,
        momentum=settings.warmup_momentum,
        final_momentum=settings.momentum,
        accumulate=accumulate,
    )


def _make_loss(settings: TrainSettings, samples: Samples, engine: Engine) -> PoseLoss:
    class_points = samples.skeleton.class_points
    return PoseLoss(
        torch.from_numpy(samples.skeleton.require_sigmas()),
        keypoint_dims=samples.keypoint_dims,
        gains=Gains(
            box=settings.box,
            pose=settings.pose,
            kobj=settings.kobj,
            cls=settings.cls,
            dfl=settings.dfl,
            likelihood=settings.likelihood,
        ),
        alignment=settings.alignment,
        smallest_side=settings.smallest_side,
        occluded=settings.occluded,
        class_points=None if class_points is None else torch.from_numpy(class_points),
        total=engine.total,
        world=engine.world,
    )
