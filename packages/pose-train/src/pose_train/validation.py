"""Run any network over a data set and compare what it finds with what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import Predictor, Runtime, Sample, Samples, StageTimes
from pose_eval import PoseEvaluator, PoseMetrics

from pose_train.events import Listener, ValidationEvent
from pose_train.settings import TrainSettings

if TYPE_CHECKING:
    from pose_train.engine import Engine

DEFAULT_CONF = 0.001  # low enough that precision is known at nearly every recall


@dataclass(frozen=True)
class ValidationResult:
    """Figures of a network on a data set.

    Args:
        metrics: COCO's numbers for boxes and keypoints.
        times: milliseconds per image of each stage.
        images: how many were validated.
        evaluator: that knows what is labelled in each image and what was found, for curves and numbers by keypoint.
    """

    metrics: PoseMetrics
    times: StageTimes
    images: int
    evaluator: PoseEvaluator


def validate(
    runtime: Runtime,
    samples: Samples,
    *,
    imgsz: int | None = None,
    batch: int = 16,
    conf: float = DEFAULT_CONF,
    iou: float = 0.7,
    max_det: int = 300,
    rect: bool = True,
    on_event: Listener | None = None,
) -> ValidationResult:
    """Validate a network, wherever it was loaded from, through the same path that users predict with.

    Args:
        runtime: the network.
        samples: annotated images.
        imgsz: longer side of the input, pixels; None takes the card's.
        batch: images per call.
        conf: people scored below are left out.
        iou: overlap above which the lower-scored of two is dropped.
        max_det: people kept per image.
        rect: pad images to whole strides only; False pads to the square that training sees.
        on_event: called with a ValidationEvent after each batch.

    Raises:
        SettingsError: the skeleton has no sigmas.
    """
    predictor = Predictor(runtime, conf=conf, iou=iou, max_det=max_det, imgsz=imgsz, rect=rect)
    evaluator, times = _run_over(predictor, samples, range(len(samples)), batch=batch, on_event=on_event)
    return _result(evaluator, times, images=len(samples), timed=len(samples))


def validate_shared(
    runtime: Runtime, samples: Samples, *, settings: TrainSettings, engine: Engine, on_event: Listener
) -> ValidationResult:
    """Validate as `validate` does, each process its part of the images; all of them get the whole result.

    Args:
        runtime: the network, the same in every process.
        samples: annotated images, the same in every process.
        settings: of the run.
        engine: the processes.
        on_event: called with a ValidationEvent after each batch of this process.
    """
    conf = DEFAULT_CONF if settings.conf is None else settings.conf
    predictor = Predictor(runtime, conf=conf, iou=settings.iou, max_det=settings.max_det, imgsz=settings.imgsz)
    mine = range(engine.rank, len(samples), engine.world)
    evaluator, times = _run_over(predictor, samples, mine, batch=share_of_batch(settings, engine), on_event=on_event)
    if engine.world > 1:
        parts = engine.gather(evaluator.to_bytes())
        evaluator = _make_evaluator(samples)
        for part in parts:  # an image has one name in every process, and counts once
            evaluator.merge_bytes(part)
    return _result(evaluator, times, images=len(samples), timed=len(mine))


def share_of_batch(settings: TrainSettings, engine: Engine) -> int:
    """Count the images that a process validates at a time."""
    return max(settings.batch // engine.world, 1)


def _run_over(
    predictor: Predictor, samples: Samples, indices: Sequence[int], *, batch: int, on_event: Listener | None
) -> tuple[PoseEvaluator, NDArray[np.float64]]:
    """Predict some images; return the evaluator that knows them and the milliseconds of all stages."""
    evaluator = _make_evaluator(samples)
    times = np.zeros(3)
    done = 0
    for part in _batches(samples, indices, batch):
        found, stages = predictor.timed([sample.image for _, sample in part])
        times += (stages.preprocess, stages.network, stages.select)
        for poses, (index, sample) in zip(found, part, strict=True):
            evaluator.update(poses, sample.targets, name=f"{index:08} {sample.name}")
        done += len(part)
        if on_event:
            on_event(ValidationEvent(done, len(indices)))
    return evaluator, times


def _make_evaluator(samples: Samples) -> PoseEvaluator:
    return PoseEvaluator(
        samples.skeleton.require_sigmas(),
        num_classes=len(samples.names),
        names=samples.names,
        class_keypoints=samples.skeleton.classes,
    )


def _result(evaluator: PoseEvaluator, times: NDArray[np.float64], *, images: int, timed: int) -> ValidationResult:
    mean = times / max(timed, 1)
    return ValidationResult(evaluator.compute(), StageTimes(*(float(t) for t in mean)), images, evaluator)


def _batches(samples: Samples, indices: Sequence[int], size: int) -> Iterator[list[tuple[int, Sample]]]:
    """Read images in order, with their indices, the next batch while this one is worked on."""
    chunks = [indices[start : start + size] for start in range(0, len(indices), size)]
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(_read, samples, chunk) for chunk in chunks[:1]]
        for chunk in [*chunks[1:], None]:
            if not waiting:
                return
            ready = waiting.pop()
            if chunk is not None:
                waiting.append(reader.submit(_read, samples, chunk))
            yield ready.result()


def _read(samples: Samples, indices: Sequence[int]) -> list[tuple[int, Sample]]:
    return [(i, samples[i]) for i in indices]
