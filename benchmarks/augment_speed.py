"""Count training images per second and core, from decoded images in memory.

python benchmarks/augment_speed.py
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from kept import Kept
from pose_data import AugmentSettings, PoseTargets, Sample, affine, augment, hsv, mosaic

SHAPES = ((480, 640), (427, 640), (640, 480), (640, 640))
PEOPLE = 6
GROUP = 20  # images that are timed together
CASES = {
    "defaults (mosaic)": AugmentSettings(),
    "mosaic with rotation and shear": AugmentSettings(degrees=10, shear=2),
    "mosaic with perspective": AugmentSettings(perspective=0.0005),
    "mosaic and mixup": AugmentSettings(mixup=1.0),
    "without mosaic": AugmentSettings(mosaic=0),
}


def make_sample(index: int, generator: np.random.Generator) -> Sample:
    """Draw an image of coloured patches, and people anywhere in it."""
    height, width = SHAPES[index % len(SHAPES)]
    patches = generator.integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    low = generator.uniform(0, (width - 120, height - 200), (PEOPLE, 2))
    boxes = np.concatenate([low, low + generator.uniform(40, (120, 200), (PEOPLE, 2))], axis=1).astype("f4")
    points = generator.uniform(boxes[:, None, :2], boxes[:, None, 2:], (PEOPLE, 17, 2)).astype("f4")
    targets = PoseTargets(
        boxes=boxes,
        labels=np.zeros(PEOPLE, np.int64),
        keypoints=points,
        visibility=np.full((PEOPLE, 17), 2, np.uint8),
        areas=np.full(PEOPLE, 5_000, np.float32),
        crowd=np.zeros(PEOPLE, np.bool_),
    )
    return Sample(np.asarray(cv2.resize(patches, (width, height)), np.uint8), targets, str(index))


def by_canvas(data: Kept, index: int, size: int, generator: np.random.Generator) -> None:
    """Make the same image the plain way: draw the whole canvas, then warp it."""
    samples = [(data[i].image, data[i].targets) for i in (index, *generator.integers(0, len(data), 3).tolist())]
    canvas, targets = mosaic(samples, size, generator=generator)
    options = {"degrees": 1e-9, "translate": 0.1, "scale": 0.5, "shear": 0.0, "perspective": 0.0}
    image, _ = affine(canvas, targets, size=size, generator=generator, **options)
    hsv(image, hue=0.015, saturation=0.7, value=0.4, generator=generator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    generator = np.random.default_rng(0)
    data = Kept(tuple(make_sample(i, generator) for i in range(GROUP)))
    print(f"{platform.processor() or platform.machine()}, OpenCV {cv2.__version__}, one core, {options.size} px")
    print(f"{'':34} images per second of processor time (median, best)")
    for name, settings in CASES.items():
        make = partial(augment, samples=data, size=options.size, settings=settings, generator=generator)
        report(name, options.count, make)
    report("defaults by canvas and warp", options.count, lambda i: by_canvas(data, i, options.size, generator))


def report(name: str, count: int, make: Callable[[int], object]) -> None:
    """Time groups of 20 images: the median is what this machine gives now, the best what it gives undisturbed."""
    seconds = []
    for _ in range(count // GROUP):
        start = time.process_time()
        for i in range(GROUP):
            make(i)
        seconds.append(time.process_time() - start)
    print(f"{name:34} {GROUP / statistics.median(seconds):7.0f} {GROUP / min(seconds):7.0f}")


if __name__ == "__main__":
    main()
