"""What stands behind and before drawn people: sky, ground, walls, clutter, poles, tables, and the light on all."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
_SHIFT = 4  # bits of the fraction in coordinates handed to OpenCV
_MARGIN = 64  # pixels by which the noise is larger than an image, to be shifted about


def paint_backdrop(random: np.random.Generator, *, height: int, width: int) -> Canvas:
    """Paint a new (height, width, 3) image without people."""
    kind = int(random.integers(0, 6))
    if kind <= 1:
        image = _landscape(random, height, width)
    elif kind == 2:
        image = _gradient(random, height, width)
    elif kind == 3:
        image = _wall(random, height, width)
    else:
        image = _clouds(random, height, width, cells=int(random.integers(3, 20)))
    for _ in range(int(random.integers(0, 14))):
        _paint_clutter(random, image)
    if random.random() < 0.35:
        return np.asarray(cv2.blur(image, (5, 5)), np.uint8)  # a lens that is sharp on the people only
    return image


def finish(random: np.random.Generator, image: Canvas) -> Canvas:
    """Give a painted image its light, its tones, the blur of its lens and the noise of its sensor."""
    for change in (_light, _tone, _blur, _grain):
        image = change(random, image)
    return image


def make_objects(random: np.random.Generator, *, height: int, width: int) -> list[NDArray[np.int32]]:
    """Outlines of the things that stand before people, in 1/16 pixels; often none."""
    count = int(np.searchsorted((0.55, 0.87), random.random()))
    return [_object(random, height, width) for _ in range(count)]


def paint_object(random: np.random.Generator, outline: NDArray[np.int32], image: Canvas) -> None:
    """Paint one convex thing with a brighter inside."""
    colour = random.integers(20, 236, 3)
    dark = (colour * 5 // 8).tolist()
    cv2.fillConvexPoly(image, outline, dark, cv2.LINE_AA, _SHIFT)
    middle = outline.mean(axis=0, dtype=np.float64)
    edge = np.sign(middle - outline) * np.minimum(np.abs(middle - outline) * 0.5, 24)
    cv2.fillConvexPoly(image, (outline + edge).astype(np.int32), colour.tolist(), cv2.LINE_AA, _SHIFT)


def _object(random: np.random.Generator, height: int, width: int) -> NDArray[np.int32]:
    kind = random.random()
    size = min(height, width)
    corners: list[tuple[float, float]]
    if kind < 0.35:  # a pole
        thick = size * (0.015 + 0.045 * random.random())
        x, lean = width * random.random(), size * 0.06 * (random.random() - 0.5)
        corners = [(x, -2), (x + thick, -2), (x + thick + lean, height + 2), (x + lean, height + 2)]
    elif kind < 0.55:  # a bar of a fence
        thick = size * (0.012 + 0.04 * random.random())
        y, lean = height * (0.35 + 0.65 * random.random()), size * 0.1 * (random.random() - 0.5)
        corners = [(-2, y), (width + 2, y + lean), (width + 2, y + lean + thick), (-2, y + thick)]
    elif kind < 0.85:  # a box or a table
        wide, high = size * (0.1 + 0.3 * random.random()), size * (0.08 + 0.2 * random.random())
        x, y = (width + wide) * random.random() - wide, height * (0.5 + 0.45 * random.random())
        corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
    else:  # a bush or a ball
        radius = size * (0.04 + 0.08 * random.random())
        x, y = width * random.random(), height * (0.4 + 0.6 * random.random())
        turns = np.arange(16) * (np.pi / 8)
        corners = [(x + 1.3 * radius * np.cos(turn), y + radius * np.sin(turn)) for turn in turns.tolist()]
    outline: NDArray[np.int32] = np.rint(np.array(corners) * (1 << _SHIFT)).astype(np.int32)
    return outline


def _light(random: np.random.Generator, image: Canvas) -> Canvas:
    if random.random() >= 0.5:
        return image
    clouds = _clouds(random, *image.shape[:2], cells=2)
    light = cv2.LUT(clouds, np.arange(256, dtype=np.uint8) // int(random.integers(3, 8)))
    change = cv2.add if random.random() < 0.5 else cv2.subtract
    return np.asarray(change(image, light), np.uint8)


def _tone(random: np.random.Generator, image: Canvas) -> Canvas:
    """Contrast and brightness in whole numbers, so that no rounding differs between machines."""
    if random.random() >= 0.6:
        return image
    gain, lift = int(random.integers(70, 125)), int(random.integers(-18, 30))
    curve = np.clip((np.arange(256) - 128) * gain // 100 + 128 + lift, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, curve), np.uint8)


def _blur(random: np.random.Generator, image: Canvas) -> Canvas:
    if random.random() >= 0.25:
        return image
    blurred = cv2.blur(image, (3, 3)) if random.random() < 0.5 else cv2.GaussianBlur(image, (3, 3), 0)
    return np.asarray(blurred, np.uint8)


def _grain(random: np.random.Generator, image: Canvas) -> Canvas:
    strength = int(random.integers(0, 4))
    if not strength:
        return image
    height, width = image.shape[:2]
    brighter, darker = _noise(strength, height, width)
    y, x = random.integers(0, _MARGIN, 2).tolist()
    image = np.asarray(cv2.add(image, brighter[y : y + height, x : x + width]), np.uint8)
    return np.asarray(cv2.subtract(image, darker[y : y + height, x : x + width]), np.uint8)


def _colour(random: np.random.Generator, *, greyer: int = 3) -> NDArray[np.int64]:
    """A colour, mixed with `greyer` parts of five of its own grey: places are duller than what people wear."""
    colour = random.integers(10, 246, 3)
    mixed: NDArray[np.int64] = (colour * (5 - greyer) + int(colour.sum()) // 3 * greyer) // 5
    return mixed


def _between(top: NDArray[np.int64], bottom: NDArray[np.int64], height: int, width: int) -> Canvas:
    steps = np.arange(height)[:, None]
    column = (top * (height - steps) + bottom * steps) // height
    return np.repeat(column.astype(np.uint8)[:, None], width, axis=1)


def _gradient(random: np.random.Generator, height: int, width: int) -> Canvas:
    return _between(_colour(random), _colour(random), height, width)


def _landscape(random: np.random.Generator, height: int, width: int) -> Canvas:
    horizon = int(height * (0.25 + 0.5 * random.random()))
    blue = np.array([110, 160, 225]) + random.integers(-60, 30, 3)
    sky = _between(blue, np.array([225, 228, 235]) - random.integers(0, 50, 3), horizon, width)
    earths = np.array([[96, 140, 70], [190, 170, 125], [120, 120, 124], [150, 110, 80], [225, 228, 232]])
    earth = earths[random.integers(0, len(earths))] + random.integers(-24, 24, 3)
    ground = _between(earth, earth * 3 // 4, height - horizon, width)
    image = np.concatenate([sky, ground])
    grain = _clouds(random, height, width, cells=int(random.integers(8, 40)))
    return np.asarray(cv2.subtract(image, cv2.LUT(grain, np.arange(256, dtype=np.uint8) // 9)), np.uint8)


def _wall(random: np.random.Generator, height: int, width: int) -> Canvas:
    """Stripes, boards or bricks of two colours."""
    first, second = _colour(random), _colour(random)
    second = (3 * first + second) // 4 if random.random() < 0.7 else second
    rows, columns = (random.integers(8, 60, 2)).tolist()
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    kind = int(random.integers(0, 4))
    if kind == 0:
        marks = (x // columns) % 2 + 0 * y
    elif kind == 1:
        marks = (y // rows) % 2 + 0 * x
    elif kind == 2:
        marks = (x // columns + y // rows) % 2
    else:
        marks = ((y % rows < 2) | ((x + (y // rows % 2) * columns) % (2 * columns) < 2)).astype(np.int64)
    wall: Canvas = np.stack([first, second]).astype(np.uint8)[marks]
    return wall


def _clouds(random: np.random.Generator, height: int, width: int, *, cells: int) -> Canvas:
    """Smooth random colours; OpenCV's exact resize gives the same bits on every machine."""
    rows, columns = max(2, cells * height // max(height, width)), max(2, cells * width // max(height, width))
    base, spread = _colour(random), int(random.integers(16, 72))
    bright = random.integers(-spread, spread, (rows, columns, 1))
    tint = random.integers(-spread // 4, spread // 4, (rows, columns, 3))
    grid = np.clip(base + bright + tint, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def _paint_clutter(random: np.random.Generator, image: Canvas) -> None:
    """One thing behind the people: a house, a stick, a ball, a tree, a rod the colour of skin."""
    height, width = image.shape[:2]
    kind = int(random.integers(0, 5))
    x, y = int(random.integers(0, width)), int(random.integers(0, height))
    reach = int(min(height, width) * (0.04 + 0.26 * random.random() ** 2)) + 2
    colour = _colour(random, greyer=1).tolist()
    if kind == 0:
        cv2.rectangle(image, (x, y), (x + reach, y + 2 * reach), colour, -1)
        frame = [c * 3 // 4 for c in colour]
        for step in range(1, 4):
            level = y + step * reach // 2
            cv2.line(image, (x + reach // 6, level), (x + reach - reach // 6, level), frame, 1 + reach // 12)
    elif kind == 1:
        end = (x + int(random.integers(-reach, reach + 1)), y + reach)
        cv2.line(image, (x, y), end, colour, 2 + reach // 8, cv2.LINE_AA)
    elif kind == 2:
        cv2.circle(image, (x, y), 1 + reach // 3, colour, -1, cv2.LINE_AA)
    elif kind == 3:
        peak = np.array([[x, y], [x - reach // 2, y + 2 * reach], [x + reach // 2, y + 2 * reach]], np.int32)
        cv2.fillConvexPoly(image, peak, colour, cv2.LINE_AA)
    else:
        skin = (np.array([230, 180, 140]) * (60 + random.integers(0, 50)) // 100).tolist()
        cv2.line(image, (x, y), (x + reach // 3, y + reach), skin, 2 + reach // 6, cv2.LINE_AA)


@lru_cache(maxsize=16)
def _noise(strength: int, height: int, width: int) -> tuple[Canvas, Canvas]:
    random = np.random.Generator(np.random.PCG64(strength))
    shape = (height + _MARGIN, width + _MARGIN, 3)
    reach = 4 * strength
    grain = sum((random.integers(-reach, reach + 1, shape) for _ in range(2)), np.zeros(shape, np.int64))
    return np.maximum(grain, 0).astype(np.uint8) // 2, np.maximum(-grain, 0).astype(np.uint8) // 2
