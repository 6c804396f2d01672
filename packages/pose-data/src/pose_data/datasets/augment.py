"""Make every training image a new one: mosaic, affine, mixup, colour and mirror, as the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.mosaic import TILES, mosaic_pieces
from pose_data.datasets.sample import Samples
from pose_data.datasets.shrink import shrink
from pose_data.datasets.warp import Piece, draw_matrix, render
from pose_data.errors import SettingsError
from pose_data.poses import PoseTargets, concatenate
from pose_data.skeleton import Skeleton

_MIXUP_BETA = 32.0  # both parameters of the Beta distribution: close to half and half
_HUES = 256  # in cv2's *_FULL codes the circle of hues is one byte, which wraps around by itself
_STRIP = 64  # rows whose colours are changed at once: they stay in the processor's cache

_Image = NDArray[np.uint8]


@dataclass(frozen=True)
class AugmentSettings:
    """How much a training image is changed; the names and defaults are those of YOLOv8.

    Args:
        hsv_h: the hue is turned by up to this part of the colour circle, either way.
        hsv_s: the saturation is multiplied by 1 -+ up to this.
        hsv_v: the brightness is multiplied by 1 -+ up to this.
        degrees: rotation of up to this many degrees, either way.
        translate: shift of up to this part of the size, either way.
        scale: scale of 1 -+ up to this.
        shear: up to this many degrees, either way, for each axis.
        perspective: up to this per pixel, either way, for each axis.
        flipud: probability that top and bottom trade places.
        fliplr: probability that left and right trade places.
        mosaic: probability that an image is made of four.
        mixup: probability that an image is blended with another.

    Raises:
        SettingsError: a value is out of its range.
    """

    hsv_h: float = field(default=0.015, metadata={"min": 0.0, "max": 1.0})
    hsv_s: float = field(default=0.7, metadata={"min": 0.0, "max": 1.0})
    hsv_v: float = field(default=0.4, metadata={"min": 0.0, "max": 1.0})
    degrees: float = field(default=0.0, metadata={"min": 0.0, "max": 180.0})
    translate: float = field(default=0.1, metadata={"min": 0.0, "max": 1.0})
    scale: float = field(default=0.5, metadata={"min": 0.0, "max": 0.99})
    shear: float = field(default=0.0, metadata={"min": 0.0, "max": 80.0})
    perspective: float = field(default=0.0, metadata={"min": 0.0, "max": 0.001})
    flipud: float = field(default=0.0, metadata={"min": 0.0, "max": 1.0})
    fliplr: float = field(default=0.5, metadata={"min": 0.0, "max": 1.0})
    mosaic: float = field(default=1.0, metadata={"min": 0.0, "max": 1.0})
    mixup: float = field(default=0.0, metadata={"min": 0.0, "max": 1.0})

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            low, high = setting.metadata["min"], setting.metadata["max"]
            if not low <= value <= high:
                raise SettingsError(f"{setting.name} must be from {low:g} to {high:g}; got {value}")


def augment(
    index: int,
    samples: Samples,
    *,
    size: int,
    settings: AugmentSettings,
    generator: np.random.Generator,
    use_mosaic: bool = True,
    partners: Sequence[int] | None = None,
) -> tuple[_Image, PoseTargets]:
    """Read one image of a data set and change it at random.

    Args:
        index: of the image in the data set.
        samples: the data set.
        size: S, side of the output in pixels.
        settings: how much is changed.
        generator: draws everything: equal states make equal images.
        use_mosaic: False in the last epochs of a training, which see no mosaic and no mixup.
        partners: indices that the other images of a mosaic or a mixup are drawn from, such as those
            that are in memory; the whole data set when None.

    Returns:
        The (S, S, 3) uint8 RGB image, and its people in pixels of it.

    Raises:
        SettingsError: a flip is asked for, but the skeleton doesn't say which points trade places.
    """
    if max(settings.fliplr, settings.flipud) > 0:
        _mirror_order(samples.skeleton)
    pool = range(len(samples)) if partners is None or len(partners) == 0 else partners
    draw = _Draw(samples, size, settings, generator, pool)
    image, targets = draw.place(index, use_mosaic=use_mosaic)
    if use_mosaic and generator.random() < settings.mixup:
        other = draw.place(draw.partners(index, 1)[0], use_mosaic=True)
        image, targets = mixup((image, targets), other, generator=generator)
    image = hsv(image, hue=settings.hsv_h, saturation=settings.hsv_s, value=settings.hsv_v, generator=generator)
    if generator.random() < settings.flipud:
        image, targets = flip_up_down(image, targets, skeleton=samples.skeleton)
    if generator.random() < settings.fliplr:
        image, targets = flip_left_right(image, targets, skeleton=samples.skeleton)
    return image, targets


@dataclass(frozen=True)
class _Draw:
    """What every random image of one call shares."""

    samples: Samples
    size: int
    settings: AugmentSettings
    generator: np.random.Generator
    pool: Sequence[int]

    def partners(self, index: int, count: int) -> list[int]:
        """Draw others than an image, each but once where the pool has enough."""
        places = self.generator.choice(len(self.pool), min(count + 1, len(self.pool)), replace=False)
        drawn = [self.pool[place] for place in places.tolist()]
        others = [other for other in drawn if other != index] or [index]
        return (others * count)[:count]

    def place(self, index: int, *, use_mosaic: bool) -> tuple[_Image, PoseTargets]:
        """Draw one image, or a mosaic that begins with it, through one random matrix."""
        if use_mosaic and self.generator.random() < self.settings.mosaic:
            indices = [index, *self.partners(index, TILES - 1)]
            pieces = mosaic_pieces([self._read(i) for i in indices], self.size, generator=self.generator)
            matrix = self._matrix((2 * self.size, 2 * self.size))
        else:
            pieces = [self._fitted(index)]
            height, width = pieces[0].image.shape[:2]
            scale = self.size / max(height, width)
            matrix = self._matrix((height * scale, width * scale))
        return render([replace(piece, matrix=matrix @ piece.matrix) for piece in pieces], self.size)

    def _read(self, index: int) -> tuple[_Image, PoseTargets]:
        sample = self.samples[index]
        return sample.image, sample.targets

    def _fitted(self, index: int) -> Piece:
        """Scale one image so that its longest side is S."""
        image, targets = shrink(*self._read(index), self.size)
        height, width = image.shape[:2]
        scale = self.size / max(height, width)
        return Piece(image, targets, np.diag([scale, scale, 1.0]), (0, 0, width, height))

    def _matrix(self, source: tuple[float, float]) -> NDArray[np.float64]:
        return draw_matrix(
            source,
            size=self.size,
            degrees=self.settings.degrees,
            translate=self.settings.translate,
            scale=self.settings.scale,
            shear=self.settings.shear,
            perspective=self.settings.perspective,
            generator=self.generator,
        )


def hsv(image: _Image, *, hue: float, saturation: float, value: float, generator: np.random.Generator) -> _Image:
    """Change the colours of an image: turn the hue, multiply saturation and brightness. Greys stay grey.

    Args:
        image: (H, W, 3) uint8 RGB.
        hue: the turn is drawn from [-hue, hue], in colour circles.
        saturation: the factor is drawn from [1 - saturation, 1 + saturation].
        value: the factor is drawn from [1 - value, 1 + value].
        generator: draws the three.

    Returns:
        A new image; the same one if all three are 0.
    """
    if hue == saturation == value == 0:
        return image
    turn, more_saturation, more_value = generator.uniform(-1, 1, 3) * (hue, saturation, value)
    gains = np.diag([1.0, 1.0 + more_saturation, 1.0 + more_value]).astype(np.float32)  # float64 is slow in cv2
    turns = np.zeros((image.shape[1], 3), np.uint8)
    turns[:, 0] = round(turn * _HUES) % _HUES
    changed = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), _STRIP):
        strip = slice(top, top + _STRIP)
        colours = cv2.transform(cv2.cvtColor(image[strip], cv2.COLOR_RGB2HSV_FULL), gains)  # rounds and saturates
        rows = colours.reshape(len(colours), -1)
        np.add(rows, turns.reshape(-1), out=rows)  # only hues get an addend, and they wrap around
        cv2.cvtColor(colours, cv2.COLOR_HSV2RGB_FULL, dst=changed[strip])
    return changed


def flip_left_right(image: _Image, targets: PoseTargets, *, skeleton: Skeleton) -> tuple[_Image, PoseTargets]:
    """Mirror an image at its vertical axis; left and right keypoints trade places.

    Args:
        image: (H, W, 3) uint8.
        targets: in pixels of the image.
        skeleton: says which keypoints mirror each other.

    Raises:
        SettingsError: the skeleton doesn't say.
    """
    return np.asarray(cv2.flip(image, 1), np.uint8), _mirrored(targets, skeleton, axis=0, length=image.shape[1])


def flip_up_down(image: _Image, targets: PoseTargets, *, skeleton: Skeleton) -> tuple[_Image, PoseTargets]:
    """Mirror an image at its horizontal axis; left and right keypoints trade places.

    They do so in any mirror: a left hand upside down is still a left hand, but its image in a pool is a right one.

    Args:
        image: (H, W, 3) uint8.
        targets: in pixels of the image.
        skeleton: says which keypoints mirror each other.

    Raises:
        SettingsError: the skeleton doesn't say.
    """
    return np.asarray(cv2.flip(image, 0), np.uint8), _mirrored(targets, skeleton, axis=1, length=image.shape[0])


def mixup(
    first: tuple[_Image, PoseTargets], second: tuple[_Image, PoseTargets], *, generator: np.random.Generator
) -> tuple[_Image, PoseTargets]:
    """Blend two images of one size about half and half, and keep the people of both.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", with Beta(32, 32).
    """
    share = float(generator.beta(_MIXUP_BETA, _MIXUP_BETA))
    blended = cv2.addWeighted(first[0], share, second[0], 1 - share, 0)
    return np.asarray(blended, np.uint8), concatenate([first[1], second[1]])


def _mirrored(targets: PoseTargets, skeleton: Skeleton, *, axis: int, length: int) -> PoseTargets:
    order = _mirror_order(skeleton)
    boxes, keypoints = targets.boxes.copy(), targets.keypoints[:, order]
    boxes[:, [axis, axis + 2]] = length - boxes[:, [axis + 2, axis]]
    keypoints[..., axis] = length - keypoints[..., axis]
    return replace(targets, boxes=boxes, keypoints=keypoints, visibility=targets.visibility[:, order])


def _mirror_order(skeleton: Skeleton) -> NDArray[np.int64]:
    order = skeleton.flip_idx
    if order is None:
        raise SettingsError(
            "a flip must know which keypoints mirror each other; got a skeleton without pairs; "
            "add 'flip_idx' (or 'skeleton: mirror:') to the data YAML, or set fliplr=0 flipud=0"
        )
    return order
