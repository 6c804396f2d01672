"""Small problems and the reference implementation, shared by the tests of pose-eval."""

import contextlib
import copy
import io
from types import SimpleNamespace

import numpy as np
import pytest


def _person(image=1, *, keypoints, visibility=None, area=100.0, identity=1, category=1, crowd=0, bbox=None, **extra):
    points = np.asarray(keypoints, float)
    flags = np.full(len(points), 2) if visibility is None else np.asarray(visibility)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    return {
        "id": identity,
        "image_id": image,
        "category_id": category,
        "iscrowd": crowd,
        "num_keypoints": int((flags > 0).sum()),
        "area": area,
        "bbox": [*low.tolist(), *size.tolist()] if bbox is None else bbox,
        "keypoints": np.concatenate([points, flags[:, None]], axis=1).ravel().tolist(),
        **extra,
    }


def _found(image=1, *, keypoints, score=0.9, category=1, **extra):
    points = np.asarray(keypoints, float)
    flat = np.concatenate([points, np.ones((len(points), 1))], axis=1).ravel().tolist()
    return {"image_id": image, "category_id": category, "score": score, "keypoints": flat, **extra}


def _truth(annotations, *, images=(1,), categories=(1,)):
    return {
        "images": [{"id": image} for image in images],
        "annotations": list(annotations),
        "categories": [{"id": category, "name": f"kind {category}"} for category in categories],
    }


def _poses(keypoints, scores, labels=None):
    keypoints = np.asarray(keypoints, np.float32)
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    labels = np.zeros(len(keypoints), np.int64) if labels is None else np.asarray(labels)
    return SimpleNamespace(boxes=boxes, scores=np.asarray(scores, np.float32), labels=labels, keypoints=keypoints)


def _targets(keypoints, *, labels=None, visibility=None, areas=None, crowd=None):
    keypoints = np.asarray(keypoints, np.float32)
    count = len(keypoints)
    return SimpleNamespace(
        boxes=np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1),
        labels=np.zeros(count, np.int64) if labels is None else np.asarray(labels),
        keypoints=keypoints,
        visibility=np.full(keypoints.shape[:2], 2, np.uint8) if visibility is None else np.asarray(visibility),
        areas=np.full(count, 100.0, np.float32) if areas is None else np.asarray(areas),
        crowd=np.zeros(count, np.bool_) if crowd is None else np.asarray(crowd),
    )


@pytest.fixture(scope="session")
def make():
    """Build records and arrays by hand: person, found, truth (COCO dicts); poses, targets (arrays of an image)."""
    return SimpleNamespace(person=_person, found=_found, truth=_truth, poses=_poses, targets=_targets)


@pytest.fixture(scope="session")
def pycocotools_result():
    """Run pycocotools on dicts; extra arguments are attributes of its `params`."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")

    def run(truth, found, iou_type="keypoints", **params):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            ground_truth = coco.COCO()
            ground_truth.dataset = copy.deepcopy(truth)
            ground_truth.createIndex()
            evaluator = cocoeval.COCOeval(ground_truth, ground_truth.loadRes(copy.deepcopy(found)), iou_type)
            for name, value in params.items():
                setattr(evaluator.params, name, value)
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        evaluator.printed = printed.getvalue()
        return evaluator

    return run
