"""Make keypoint evaluation problems of the size of COCO val2017 (and ten times that), by seed.

Five thousand images hold about 11,000 people: 45 % of them without a labelled keypoint, 2 % crowds. Each image has 20
detections: copies of its people, shaken by a little or a lot, and false alarms. `python benchmarks/oks_problem.py
FOLDER` writes ground_truth.json and detections.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_eval import Detections, Problem, Truths
from pose_eval.problem import corners_to_boxes, keypoint_extents

Floats = NDArray[np.float64]

PEOPLE_PER_IMAGE = 2.2
DETECTIONS_PER_IMAGE = 20
UNLABELLED, CROWD, LABELLED_POINT = 0.455, 0.0206, 0.71  # shares in COCO val2017
WIDTH, HEIGHT, KEYPOINTS = 640, 480, 17


def make_problem(images: int = 5000, *, categories: int = 1, seed: int = 0) -> Problem:
    """Draw a problem.

    Args:
        images: number of images.
        categories: number of categories, drawn evenly for annotations; a detection has that of its person.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    people = int(images * PEOPLE_PER_IMAGE)
    image = np.sort(rng.integers(0, images, people))
    keypoints, boxes, areas = _people(rng, people)
    labelled = rng.random((people, KEYPOINTS)) < LABELLED_POINT
    labelled[rng.random(people) < UNLABELLED] = False
    crowd = rng.random(people) < CROWD
    category = rng.integers(0, categories, people)
    truths = Truths(
        images=image,
        categories=category,
        ids=np.arange(1, people + 1),
        boxes=boxes,
        areas=areas,
        crowd=crowd,
        ignored=crowd | ~labelled.any(axis=1),
        keypoints=keypoints,
        labelled=labelled,
    )
    return Problem(
        np.arange(1, images + 1), np.arange(1, categories + 1), truths, _found(rng, truths, images, categories)
    )


def _people(rng: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats]:
    height = np.clip(np.exp(rng.normal(4.6, 0.8, count)), 12, HEIGHT)
    width = height * rng.uniform(0.3, 0.8, count)
    corner = rng.random((count, 2)) * np.stack([WIDTH - width.clip(max=WIDTH), HEIGHT - height], axis=1)
    points = corner[:, None] + rng.random((count, KEYPOINTS, 2)) * np.stack([width, height], axis=1)[:, None]
    boxes = np.concatenate([corner, np.stack([width, height], axis=1)], axis=1)
    return np.round(points), np.round(boxes, 2), np.round(width * height * rng.uniform(0.4, 0.7, count), 4)


def _found(rng: np.random.Generator, truths: Truths, images: int, categories: int) -> Detections:
    count = images * DETECTIONS_PER_IMAGE
    image = np.repeat(np.arange(images), DETECTIONS_PER_IMAGE)
    keypoints, _, _ = _people(rng, count)
    category = rng.integers(0, categories, count)
    scores = rng.beta(1, 6, count)
    first = np.searchsorted(truths.images, image)
    size = np.searchsorted(truths.images, image, side="right") - first
    near = np.flatnonzero((size > 0) & (rng.random(count) < 0.35))
    person = first[near] + (rng.random(len(near)) * size[near]).astype(np.int64)
    shake = np.sqrt(truths.areas[person]) * rng.choice([0.03, 0.08, 0.2], len(near))
    keypoints[near] = truths.keypoints[person] + rng.normal(size=(len(near), KEYPOINTS, 2)) * shake[:, None, None]
    category[near] = truths.categories[person]
    scores[near] = np.clip(rng.beta(3, 2, len(near)), 0, 1)
    keypoints = np.round(keypoints, 3)
    extents = keypoint_extents(keypoints)
    boxes = corners_to_boxes(extents)
    return Detections(
        image,
        category,
        np.round(scores, 5),
        boxes,
        boxes[:, 2] * boxes[:, 3],
        keypoints,
        extents,
        np.ones(keypoints.shape[:2]),
    )


def to_coco(problem: Problem) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Turn a problem into what COCO's two files hold."""
    truths, found = problem.truths, problem.detections
    flat = np.concatenate([truths.keypoints, 2 * truths.labelled[..., None]], axis=2).astype(int)
    flat = (flat * truths.labelled[..., None]).reshape(len(truths), -1)
    annotations = [
        {
            "id": int(truths.ids[row]),
            "image_id": int(problem.image_ids[truths.images[row]]),
            "category_id": int(problem.category_ids[truths.categories[row]]),
            "iscrowd": int(truths.crowd[row]),
            "num_keypoints": int(truths.labelled[row].sum()),
            "area": float(truths.areas[row]),
            "bbox": truths.boxes[row].tolist(),
            "keypoints": flat[row].tolist(),
        }
        for row in range(len(truths))
    ]
    points = np.concatenate([found.keypoints, np.ones((*found.keypoints.shape[:2], 1))], axis=2)
    rows = points.reshape(len(found), -1).tolist()
    results = [
        {
            "image_id": int(problem.image_ids[found.images[row]]),
            "category_id": int(problem.category_ids[found.categories[row]]),
            "score": float(found.scores[row]),
            "keypoints": rows[row],
        }
        for row in range(len(found))
    ]
    images = [{"id": int(i), "width": WIDTH, "height": HEIGHT} for i in problem.image_ids]
    categories = [{"id": int(i), "name": f"kind {i}"} for i in problem.category_ids]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def write_problem(folder: Path, problem: Problem) -> tuple[Path, Path]:
    """Write a problem as COCO's two files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ground_truth.json", folder / "detections.json"
    for path, content in zip(paths, to_coco(problem), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    return paths


def main() -> None:
    """Write a problem into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--categories", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    problem = make_problem(options.images, categories=options.categories, seed=options.seed)
    print(*write_problem(options.folder, problem), sep="\n")


if __name__ == "__main__":
    main()
