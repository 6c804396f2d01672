"""supervision takes our poses: by its converter for results of these networks, and as arrays."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import Poses
from pose_export import ExportResult, load

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime", "supervision")


@pytest.fixture
def poses(exported: Callable[..., ExportResult], noise: NDArray[np.uint8]) -> Poses:
    found = load(exported("onnx").path)(noise[0])
    assert len(found) > 0
    return found


def as_result(poses: Poses) -> SimpleNamespace:
    """Our poses under the names by which supervision's converter reads a result."""
    return SimpleNamespace(
        names={0: "person"},
        boxes=SimpleNamespace(cls=poses.labels, conf=poses.scores, xyxy=poses.boxes),
        keypoints=SimpleNamespace(xy=poses.keypoints, conf=poses.keypoint_scores),
    )


def test_converter_takes_our_poses_as_they_are(poses: Poses) -> None:
    import supervision as sv

    found = sv.KeyPoints.from_ultralytics(as_result(poses))
    np.testing.assert_array_equal(found.xy, poses.keypoints)
    np.testing.assert_array_equal(found.keypoint_confidence, poses.keypoint_scores)
    np.testing.assert_array_equal(found.detection_confidence, poses.scores)
    np.testing.assert_array_equal(found.class_id, poses.labels)
    assert set(found.data["class_name"]) == {"person"}


def test_nobody_stays_nobody() -> None:
    import supervision as sv

    assert len(sv.KeyPoints.from_ultralytics(as_result(Poses.empty(3)))) == 0


def test_annotator_draws_our_keypoints(poses: Poses, noise: NDArray[np.uint8]) -> None:
    import supervision as sv

    best = poses[:1]
    points = sv.KeyPoints(xy=best.keypoints, class_id=best.labels, keypoint_confidence=best.keypoint_scores)
    picture = np.zeros((64, 64, 3), np.uint8)
    drawn = sv.VertexAnnotator(color=sv.Color.WHITE, radius=1).annotate(picture.copy(), points)
    inside = best.keypoints[0][((best.keypoints[0] > 1) & (best.keypoints[0] < 62)).all(axis=1)]
    assert len(inside) > 0
    for x, y in inside.astype(int):
        assert drawn[y, x].tolist() == [255, 255, 255]
