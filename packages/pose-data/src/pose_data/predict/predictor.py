"""Images in, people out: letterbox, run, select, and back to image pixels, the same for every runtime."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import clip_boxes
from pose_data.card import ModelCard
from pose_data.errors import CheckpointError, SettingsError
from pose_data.poses import Poses
from pose_data.predict.letterbox import BORDER, Letterbox, check_imgsz, letterbox, letterbox_shape
from pose_data.predict.pixels import as_rgb
from pose_data.predict.runtime import Runtime
from pose_data.predict.select import check_thresholds, select

_Image = NDArray[np.uint8]


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds that one call took, for all of its images together.

    Args:
        preprocess: resizing and padding.
        network: the runtime.
        select: threshold, suppression and the way back to image pixels.
    """

    preprocess: float
    network: float
    select: float

    @property
    def total(self) -> float:
        """Milliseconds of the three together."""
        return self.preprocess + self.network + self.select


class Predictor:
    """Find people in images with any runtime.

    Args:
        runtime: the network.
        conf: people must score more than this.
        iou: overlap from which on two boxes are one person.
        max_det: people to keep per image, the best ones.
        imgsz: side, or (height, width), that an image is scaled to fit, in pixels; the model card's when None.
        rect: pad an image to whole strides only, where the network takes any size; False pads to imgsz.
        classes: indices of the classes to keep; None keeps all.
        agnostic: let people of different classes suppress each other too.
        slack: strides of border to have at least with rect; the published validation of YOLOv8 has 0.5.

    Raises:
        SettingsError: imgsz is no multiple of the stride or not the size of a file of fixed size; a
            threshold is out of range; a class doesn't exist.
        CheckpointError: the file gives another kind of output than raw predictions.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        conf: float = 0.25,
        iou: float = 0.7,
        max_det: int = 300,
        imgsz: int | tuple[int, int] | None = None,
        rect: bool = True,
        classes: Iterable[int] | None = None,
        agnostic: bool = False,
        slack: float = 0.0,
    ) -> None:
        check_thresholds(conf=conf, iou=iou, max_det=max_det)
        self.runtime = runtime
        self.conf, self.iou, self.max_det, self.agnostic = conf, iou, max_det, agnostic
        self.imgsz = _choose_imgsz(runtime.card, imgsz)
        self.classes = _check_classes(runtime.card, classes)
        self._class_points = runtime.card.skeleton.class_points
        self.rect = rect and runtime.card.dynamic
        self.slack = slack
        if runtime.card.contract != "raw":
            raise CheckpointError(
                f"{runtime.card.architecture}: output must be of contract 'raw'; got '{runtime.card.contract}'; "
                "export the checkpoint again without selection inside"
            )

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        return self.runtime.card

    def __call__(self, image: _Image) -> Poses:
        """Find the people in one image.

        Args:
            image: (H, W, 3) uint8 RGB of any size; grey and RGBA are converted.

        Returns:
            In pixels of the image, best score first. Boxes are cut at its border; keypoints are where the
            network puts them, also beyond the border and whatever they score; those that the class doesn't
            have score 0.

        Raises:
            DataError: this is not an image.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[_Image]) -> list[Poses]:
        """Find the people in several images, which may differ in size; the results keep their order."""
        return self.timed(images)[0]

    def timed(self, images: Sequence[_Image]) -> tuple[list[Poses], StageTimes]:
        """Do what predict_batch does, and measure each stage."""
        clock = _Clock()
        checked = [as_rgb(image, name=f"image {i}") for i, image in enumerate(images)]
        found = [Poses.empty(len(self.card.skeleton))] * len(checked)
        for shape, indices in self._groups(checked):
            batch, places = self._prepare([checked[i] for i in indices], shape)
            clock.lap("preprocess")
            raw = self._run(batch, len(indices))
            clock.lap("network")
            for i, place, people in zip(indices, places, self._select(raw), strict=True):
                found[i] = _in_image(people, place)
            clock.lap("select")
        return found, StageTimes(**clock.milliseconds)

    def _groups(self, images: Sequence[_Image]) -> Iterator[tuple[tuple[int, int], list[int]]]:
        """Indices of images that go through the network together, with the shape of their input."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            by_shape.setdefault(self._input_shape((image.shape[0], image.shape[1])), []).append(i)
        for shape, indices in by_shape.items():
            step = len(indices) if self.card.dynamic else self.card.batch
            for start in range(0, len(indices), step):
                yield shape, indices[start : start + step]

    def _input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        if not self.rect:
            return self.imgsz
        return letterbox_shape(image_size, self.imgsz, stride=self.card.stride, slack=self.slack)

    def _prepare(self, images: list[_Image], shape: tuple[int, int]) -> tuple[_Image, list[Letterbox]]:
        """Letterbox images into one batch; a file of fixed batch gets grey images for those that lack."""
        count = len(images) if self.card.dynamic else self.card.batch
        if count == 1:
            single, place = letterbox(images[0], shape, max_scale=self._scale(images[0]))
            return np.ascontiguousarray(single)[None], [place]
        batch = np.empty((count, *shape, 3), np.uint8)
        batch[len(images) :] = BORDER
        places = [
            letterbox(image, shape, max_scale=self._scale(image), out=out)[1]
            for image, out in zip(images, batch, strict=False)
        ]
        return batch, places

    def _scale(self, image: _Image) -> float:
        """The scale that fits imgsz, also where the input is larger by its slack."""
        height, width = image.shape[:2]
        return min(self.imgsz[0] / float(height), self.imgsz[1] / float(width))

    def _run(self, batch: _Image, wanted: int) -> NDArray[np.float32]:
        raw = self.runtime(batch)
        if raw.ndim != 3 or raw.shape[:2] != (len(batch), self.card.channels):
            raise CheckpointError(
                f"{self.card.architecture}: output must be ({len(batch)}, {self.card.channels}, A) as its model card "
                f"says; got {raw.shape}; the card and the weights don't belong together"
            )
        return raw[:wanted]

    def _select(self, raw: NDArray[np.float32]) -> list[Poses]:
        return select(
            raw,
            num_classes=len(self.card.names),
            keypoint_dims=self.card.keypoint_dims,
            conf=self.conf,
            iou=self.iou,
            max_det=self.max_det,
            classes=self.classes,
            agnostic=self.agnostic,
            class_points=self._class_points,
        )


class _Clock:
    """A stopwatch with a sum per stage."""

    def __init__(self) -> None:
        self.milliseconds = {"preprocess": 0.0, "network": 0.0, "select": 0.0}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.milliseconds[stage] += 1000 * (now - self._last)
        self._last = now


def _in_image(people: Poses, place: Letterbox) -> Poses:
    moved = place.to_image(people)
    height, width = place.image_size
    return replace(moved, boxes=clip_boxes(moved.boxes, height=height, width=width))


def _choose_imgsz(card: ModelCard, imgsz: int | tuple[int, int] | None) -> tuple[int, int]:
    if imgsz is None:
        return card.imgsz
    size = check_imgsz(imgsz, stride=card.stride)
    if not card.dynamic and size != card.imgsz:
        raise SettingsError(
            f"imgsz must be {card.imgsz}, the fixed size of this {card.architecture} file; got {size}; "
            "leave imgsz out, or export again with that imgsz or with dynamic=True"
        )
    return size


def _check_classes(card: ModelCard, classes: Iterable[int] | None) -> tuple[int, ...] | None:
    if classes is None:
        return None
    chosen = tuple(classes)
    for index in chosen:
        if not 0 <= index < len(card.names):
            raise SettingsError(
                f"classes must be from 0 to {len(card.names) - 1} ({', '.join(card.names)}); got {index}"
            )
    return chosen
