"""Run any network over a data set and compare what it finds with what is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from pose_data import Predictor, Runtime, Sample, Samples, StageTimes
from pose_eval import PoseEvaluator, PoseMetrics

from pose_train.events import Listener, ValidationEvent


@dataclass(frozen=True)
class ValidationResult:
    """Figures of a network on a data set.

    Args:
        metrics: COCO's numbers for boxes and keypoints.
        times: milliseconds per image of each stage.
        images: how many were validated.
    """

    metrics: PoseMetrics
    times: StageTimes
    images: int


def validate(
    runtime: Runtime,
    samples: Samples,
    *,
    imgsz: int | None = None,
    batch: int = 16,
    conf: float = 0.001,
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
    evaluator = PoseEvaluator(samples.skeleton.require_sigmas(), num_classes=len(samples.names), names=samples.names)
    times = np.zeros(3)
    done = 0
    for part in _batches(samples, batch):
        found, stages = predictor.timed([sample.image for sample in part])
        times += (stages.preprocess, stages.network, stages.select)
        for poses, sample in zip(found, part, strict=True):
            evaluator.update(poses, sample.targets, name=sample.name)
        done += len(part)
        if on_event:
            on_event(ValidationEvent(done, len(samples)))
    mean = times / max(done, 1)
    return ValidationResult(evaluator.compute(), StageTimes(*(float(t) for t in mean)), done)


def _batches(samples: Samples, size: int) -> Iterator[list[Sample]]:
    """Read the images in order, the next batch while this one is worked on."""
    starts = range(0, len(samples), size)
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(_read, samples, start, size) for start in starts[:1]]
        for start in [*starts[1:], None]:
            ready = waiting.pop()
            if start is not None:
                waiting.append(reader.submit(_read, samples, start, size))
            yield ready.result()


def _read(samples: Samples, start: int, size: int) -> list[Sample]:
    return [samples[i] for i in range(start, min(start + size, len(samples)))]
