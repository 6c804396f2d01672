"""supervision's own keypoint AP, written by other people, gives our numbers."""

import numpy as np
import pytest
from pose_eval import PoseEvaluator

sv = pytest.importorskip("supervision")
SIGMAS = (0.05, 0.08, 0.1)
IMAGES = 40


def draw_image(rng, make):
    """People of 30 to 200 pixels, some of them a crowd or half labelled; found ones shifted, missed and invented."""
    count = int(rng.integers(0, 6))
    size = rng.uniform(30, 200, (count, 1, 1))
    points = rng.uniform(0, 600, (count, 1, 2)) + rng.uniform(-0.5, 0.5, (count, 3, 2)) * size
    visibility = rng.integers(0, 3, (count, 3)).astype(np.uint8)
    visibility[:, 0] = 2  # supervision asks for a box where nothing is labelled; that case is pycocotools' test
    targets = make.targets(
        points,
        labels=rng.integers(0, 2, count),
        visibility=visibility,
        areas=(size[:, 0, 0] ** 2 * 0.6).astype(np.float32),
        crowd=rng.random(count) < 0.1,
    )
    shifted = points + rng.normal(0, 0.04, points.shape) * size
    invented = rng.uniform(0, 600, (2, 3, 2))
    seen = np.concatenate([shifted[rng.random(count) < 0.9], invented])
    labels = np.concatenate([targets.labels[: len(seen) - 2], [0, 1]])
    return make.poses(seen, rng.permutation(np.linspace(0.1, 0.9, len(seen))), labels), targets


def as_found(poses):
    return sv.KeyPoints(xy=poses.keypoints, class_id=poses.labels, detection_confidence=poses.scores)


def as_annotated(targets):
    data = {"area": targets.areas, "iscrowd": targets.crowd.astype(int), "xyxy": targets.boxes}
    return sv.KeyPoints(xy=targets.keypoints, class_id=targets.labels, visible=targets.visibility > 0, data=data)


@pytest.mark.parametrize("seed", range(4))
def test_supervision_finds_our_average_precision(seed, make):
    from supervision.metrics import KeyPointMeanAveragePrecision

    rng = np.random.default_rng(seed)
    ours, theirs = PoseEvaluator(SIGMAS, num_classes=2), KeyPointMeanAveragePrecision(sigmas=SIGMAS)
    for _ in range(IMAGES):
        poses, targets = draw_image(rng, make)
        ours.update(poses, targets)
        theirs.update(as_found(poses), as_annotated(targets))
    expected, found = ours.compute().keypoints, theirs.compute()
    assert 0.05 < expected.ap < 0.95
    numbers = (expected.ap, expected.ap50, expected.ap75, expected.ap_medium, expected.ap_large)
    assert found.medium_objects is not None and found.large_objects is not None
    sizes = (found.medium_objects.map50_95, found.large_objects.map50_95)
    np.testing.assert_allclose((found.map50_95, found.map50, found.map75, *sizes), numbers, atol=1e-9)
    np.testing.assert_allclose(found.ap_per_class.mean(axis=1), expected.per_class, atol=1e-9)
