"""The overfit check: can a network learn a few images by heart? It can't where labels contradict images."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise, zip_longest
from pathlib import Path

import numpy as np
from pose_data import PoseError, PoseTargets, Sample, Samples, SettingsError, Skeleton, setting
from pose_eval import PoseMetrics
from pose_nn import TorchRuntime, load_checkpoint

from pose_train.events import EpochEvent, Listener, StartEvent, TrainEvent
from pose_train.failures import find_write_error
from pose_train.pictures import write_validation_picture
from pose_train.settings import MOST_SEED, TrainSettings
from pose_train.training import train
from pose_train.validation import validate

STEPS_PER_EPOCH = 10  # between two looks at how much is learnt
# OKS = exp(-d² / (2 s² (2 sigma)²)) of a point that is off by d = s sigma: as far as careful annotators differ.
LEARNT_OKS = math.exp(-1 / 8)
LEARNT_AP50 = 0.95


@dataclass(frozen=True)
class OverfitSettings:
    """How the check is done."""

    model: str = setting("yolov8n-pose", "network, or weights to start from")
    images: int = setting(8, "images to learn by heart", least=1)
    steps: int = setting(600, "steps after which it is given up", least=1)
    imgsz: int = setting(320, "side of the square input, pixels", least=32)
    device: str = setting("", "cpu, cuda, mps; empty takes the fastest there is")
    project: str = setting("runs/overfit", "folder of the run, numbered when it is taken")
    seed: int = setting(0, "of the weights and the order", least=0, most=MOST_SEED)


@dataclass(frozen=True)
class LearntImage:
    """How well one image was learnt.

    Args:
        name: of the image.
        oks: OKS of the most similar detection, averaged over its people.
    """

    name: str
    oks: float


@dataclass(frozen=True)
class OverfitResult:
    """What the check says.

    Args:
        run_folder: with weights, the table of the run and validation.jpg: labels beside what was learnt.
        steps: that were made.
        learnt: whether people are found (AP50 of .95 or more) and their points are no further off than one sigma.
        metrics: of the best weights on the very images.
        images: from the worst to the best.
    """

    run_folder: Path
    steps: int
    learnt: bool
    metrics: PoseMetrics
    images: tuple[LearntImage, ...]

    def __str__(self) -> str:
        keypoints = self.metrics.keypoints
        figures = f"keypoint AP {keypoints.ap:.3f}, AP50 {keypoints.ap50:.3f}, mean OKS {self.metrics.mean_oks:.3f}"
        said = f"after {self.steps} steps on {len(self.images)} images: {figures}"
        picture = self.run_folder / "validation.jpg"
        if self.learnt:
            return (
                f"learnt {said}.\nImages and labels fit each other: a network can learn one from the other. Whether "
                f"the labels say what you mean is for the eye: {picture}"
            )
        worst = ", ".join(f"{image.name} {image.oks:.2f}" for image in self.images[:3])
        return (
            f"not learnt {said}.\nA network learns a few images by heart unless their labels contradict them (points "
            "of another image, left for right in some of them, people labelled twice or not at all), people are only "
            f"a few pixels large at this imgsz, or steps are too few.\nWorst by OKS: {worst}. Labels beside what was "
            f"learnt: {picture}"
        )


def overfit(settings: OverfitSettings, samples: Samples, *, on_event: Listener | None = None) -> OverfitResult:
    """Train on a few images without augmentation until they are learnt by heart, or not.

    Nothing is written but the run folder.

    Args:
        settings: of the check.
        samples: the data set; images with labelled keypoints are taken from it, evenly spread.
        on_event: called with what the run tells.

    Raises:
        PoseError: what `train` raises, or no image has a labelled keypoint.
    """
    few = FewSamples(samples, choose_labelled(samples, settings.images))
    watch = _Watch(on_event)
    with _removed_if_unwritten(watch):
        try:
            train(_train_settings(settings, len(few)), train_samples=few, val_samples=few, on_event=watch)
        except _LearntError:
            pass
        except KeyboardInterrupt as stop:  # which would name the command that goes on with a run
            raise KeyboardInterrupt("stopped before the images were learnt; the same command begins again") from stop
        return _look_at(few, settings, watch)


def is_learnt(metrics: PoseMetrics) -> bool:
    """Whether people are found, with points no further off than annotators differ."""
    return metrics.keypoints.ap50 >= LEARNT_AP50 and metrics.mean_oks >= LEARNT_OKS


def choose_labelled(samples: Samples, count: int) -> list[int]:
    """Choose images with a labelled keypoint, evenly spread over the data set.

    Raises:
        SettingsError: there is none.
    """
    starts = np.linspace(0, len(samples), count + 1).astype(int).tolist()
    parts = [_labelled(samples, range(start, end)) for start, end in pairwise(starts)]
    turns = zip_longest(*parts)  # one of each part, then another of each that has one, and so on
    chosen = sorted(islice((index for turn in turns for index in turn if index is not None), count))
    if not chosen:
        raise SettingsError("overfit: the images must have labelled keypoints; got none in the whole data set")
    return chosen


def _labelled(samples: Samples, indices: Iterable[int]) -> Iterator[int]:
    return (index for index in indices if samples.targets(index).visibility.any())


class FewSamples:
    """Some images of a data set.

    Args:
        samples: all of them.
        indices: those that are taken.
    """

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self.samples, self.indices = samples, tuple(indices)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names."""
        return self.samples.names

    @property
    def skeleton(self) -> Skeleton:
        """Keypoints of every object."""
        return self.samples.skeleton

    @property
    def keypoint_dims(self) -> int:
        """3 when visibility is labelled, 2 when it isn't."""
        return self.samples.keypoint_dims

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        """Read one image and its labels."""
        return self.samples[self.indices[index]]

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image."""
        return self.samples.targets(self.indices[index])


class _LearntError(Exception):
    """There is nothing more to learn."""


class _Watch:
    """Notes where the run is, and ends it when all is learnt."""

    def __init__(self, listener: Listener | None) -> None:
        self.listener = listener
        self.run_folder = Path()
        self.steps = 0

    def __call__(self, event: TrainEvent) -> None:
        if self.listener:
            self.listener(event)
        if isinstance(event, StartEvent):
            self.run_folder = event.run_folder
        elif isinstance(event, EpochEvent):
            self.steps += STEPS_PER_EPOCH
            if event.metrics is not None and is_learnt(event.metrics):
                raise _LearntError


def _look_at(few: FewSamples, settings: OverfitSettings, watch: _Watch) -> OverfitResult:
    """Validate what was learnt, on each image and on all."""
    folder = watch.run_folder
    checkpoint = load_checkpoint(folder / "weights" / "best.safetensors")
    runtime = TorchRuntime(checkpoint.net, checkpoint.card, device=settings.device or "auto")
    write_validation_picture(folder / "validation.jpg", runtime, few, imgsz=settings.imgsz)
    metrics = validate(runtime, few, imgsz=settings.imgsz).metrics
    scores = [validate(runtime, FewSamples(few, [i]), imgsz=settings.imgsz).metrics.mean_oks for i in range(len(few))]
    images = [LearntImage(few[i].name, score) for i, score in enumerate(scores)]
    return OverfitResult(
        run_folder=folder,
        steps=watch.steps,
        learnt=is_learnt(metrics),
        metrics=metrics,
        images=tuple(sorted(images, key=lambda image: image.oks)),
    )


@contextmanager
def _removed_if_unwritten(watch: _Watch) -> Iterator[None]:
    """Remove the folder of a check whose files can't be written: it is no run that could go on."""
    try:
        yield
    except PoseError as error:
        unwritten = find_write_error(error)
        if unwritten is None:
            raise
        if watch.run_folder != Path():
            shutil.rmtree(watch.run_folder, ignore_errors=True)
        raise PoseError(str(unwritten)) from error


def _train_settings(settings: OverfitSettings, images: int) -> TrainSettings:
    batch = min(images, 8)
    return TrainSettings(
        model=settings.model,
        imgsz=settings.imgsz,
        device=settings.device,
        project=settings.project,
        seed=settings.seed,
        batch=batch,
        nbs=batch,
        epochs=math.ceil(settings.steps / STEPS_PER_EPOCH),
        images_per_epoch=batch * STEPS_PER_EPOCH,
        patience=0,
        cache="ram",
        workers=0,
        amp=False,
        plots=False,
        # One rate for all steps, and no change of any image: what is to be learnt stays the same.
        optimizer="Muon",
        lr0=0.003,
        lrf=1.0,
        momentum=0.95,
        warmup_epochs=1.0,
        warmup_bias_lr=0.0,
        hsv_h=0.0,
        hsv_s=0.0,
        hsv_v=0.0,
        translate=0.0,
        scale=0.0,
        fliplr=0.0,
        mosaic=0.0,
    )
