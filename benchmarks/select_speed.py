"""Time our selection of people against OpenCV's and a plain NumPy loop, on the same boxes in the same run.

python benchmarks/select_speed.py
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
from numpy.typing import NDArray
from pose_data import iou_matrix, select, suppress, xyxy_from_cxcywh

IOU = 0.7
MAX_DET = 300
PEOPLE = 40  # in one image; candidates crowd around them


def make_boxes(count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw (count, 4) cxcywh boxes in a 640 px image, as a network gives them: many around each person."""
    centres, sizes = generator.uniform(40, 600, (PEOPLE, 2)), generator.uniform(30, 250, (PEOPLE, 2))
    person = generator.integers(0, PEOPLE, count)
    shifted = centres[person] + generator.normal(0, 0.06, (count, 2)) * sizes[person]
    return np.concatenate([shifted, sizes[person] * np.exp(generator.normal(0, 0.1, (count, 2)))], axis=1).astype("f4")


def plain_loop(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Greedy suppression as everybody writes it first; boxes are xyxy, best first."""
    kept: list[np.int64] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < MAX_DET:
        kept.append(left[0])
        left = left[1:][iou_matrix(boxes[left[:1]], boxes[left[1:]])[0] <= np.float32(IOU)]
    return np.array(kept, np.int64)


def opencv(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Suppression by OpenCV, which wants x, y, width, height."""
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    classes = np.zeros(len(boxes), np.int32)
    kept = cv2.dnn.NMSBoxesBatched(corners, scores, classes, 0.0, IOU)  # type: ignore[arg-type]  # arrays work
    return np.array(kept, np.int64).reshape(-1)[:MAX_DET]


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of a call, after one that isn't counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    generator = np.random.default_rng(0)
    print(f"{platform.processor() or platform.machine()}, NumPy {np.__version__}, OpenCV {cv2.__version__}; median ms")
    print(f"{'candidates':>10} {'kept':>5} {'suppress':>9} {'OpenCV':>9} {'loop':>9} {'select':>9}  equal to the loop")
    for count in (300, 3_000, 30_000):
        raw = np.zeros((1, 56, max(count, 8_400)), np.float32)
        raw[0, :4] = make_boxes(raw.shape[2], generator).T
        scores = np.linspace(0.3, 1.0, count, dtype=np.float32)
        columns = generator.permutation(raw.shape[2])[:count]
        raw[0, 4, columns] = scores
        boxes = xyxy_from_cxcywh(raw[0, :4, columns[::-1]])
        best_first = scores[::-1].copy()
        ours, loop, theirs = suppress(boxes, iou=IOU, limit=MAX_DET), plain_loop(boxes), opencv(boxes, best_first)
        times = (
            median_ms(partial(suppress, boxes, iou=IOU, limit=MAX_DET), repeats),
            median_ms(partial(opencv, boxes, best_first), repeats),
            median_ms(partial(plain_loop, boxes), repeats),
            median_ms(partial(select, raw, num_classes=1, keypoint_dims=3, conf=0.25, iou=IOU), repeats),
        )
        equal = f"ours {np.array_equal(ours, loop)}, OpenCV {np.array_equal(theirs, loop)}"
        print(f"{count:>10} {len(ours):>5} " + " ".join(f"{ms:9.2f}" for ms in times) + f"  {equal}")


if __name__ == "__main__":
    main()
